// The first byte says whose configuration the rest is, and whether there is a folder for keys. What comes out, the
// service's own reader takes, and no key of the source stands in it.
#include "cli/import/import.hpp"

#include <cstdlib>

using namespace keysluice;
using namespace keysluice::importer;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// Any inclusion finds the file itself: how deep that goes is for the importer to end.
struct Mirror : Surroundings {
    SourcePtr source;

    Result<std::vector<SourcePtr>> files(const std::string& pattern) override {
        return pattern.find('*') == std::string::npos ? std::vector<SourcePtr>() : std::vector{source};
    }
    bool exists(const std::string& path) override { return path.size() % 2 == 0; }
    std::optional<std::uint16_t> port(const std::string& service) override {
        return service == "https" ? std::optional<std::uint16_t>(443) : std::nullopt;
    }
    bool has_protocol(const std::string& name) override { return name == "tcp" || name == "udp"; }
    bool has_address(const std::string& address) override { return address == "192.0.2.1"; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto source = std::make_shared<Source>();
    source->path = "/etc/x.conf";
    source->text.assign(data + 1, data + size);
    Mirror host;
    host.source = source;
    static_cast<void>(guess_kind(*source));
    const auto kind = static_cast<Kind>(data[0] % kKindNames.size());
    const Wishes wishes{.keys = (data[0] & 0x80U) != 0 ? std::optional<std::string>("/k") : std::nullopt};
    const auto imported = import_as(kind, source, host, wishes);
    if (!imported) {
        require(!imported.error().reason.empty() && !imported.error().sentence.empty());
        return 0;
    }
    require(wishes.keys.has_value() || imported->keys.empty());
    for (const KeyFile& key : imported->keys) {
        require(key.name.find('/') == std::string::npos && !key.contents.empty());
    }
    require(kind == Kind::setkey || fault_in(imported->toml).empty());
    return 0;
}

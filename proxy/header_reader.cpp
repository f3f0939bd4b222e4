#include "proxy/header_reader.hpp"

#include <algorithm>
#include <utility>

#include "proxy/parse.hpp"
#include "proxy/wire.hpp"

namespace keysluice::proxy {

Result<std::size_t> HeaderReader::take(Bytes octets) {
    std::size_t taken = 0;
    while (taken < octets.size() && !complete_) {
        if (auto added = add(octets[taken++]); !added) {
            return pass_on(std::move(added));
        }
    }
    return taken;
}

Result<void> HeaderReader::add(std::uint8_t octet) {
    read_.push_back(octet);
    if (auto begins = check_beginning(); !begins) {
        return begins;
    }
    return read_.front() == kSignature.front() ? add_to_block() : add_to_line();
}

Result<void> HeaderReader::check_beginning() {
    const Bytes beginning = Bytes(read_).first(std::min(read_.size(), kSignature.size()));
    const Bytes line = beginning.first(std::min(beginning.size(), kVersion1.size()));
    const bool first = std::ranges::equal(line, as_bytes(kVersion1).first(line.size()));
    const bool second = std::ranges::equal(beginning, Bytes(kSignature).first(beginning.size()));
    if (!first && !second) {
        return fail("proxy-header-missing",
                    "something else came where accept_proxy expects a PROXY header: is there a client that reaches "
                    "this address without the proxy, or a proxy that sends none?");
    }
    if (first ? !versions_.v1 : !versions_.v2) {
        return fail("proxy-header-version", first
                                                ? "a PROXY header of version 1 came, and accept_proxy takes another"
                                                : "a PROXY header of version 2 came, and accept_proxy takes another");
    }
    return {};
}

Result<void> HeaderReader::add_to_line() {
    const std::string_view line = as_text(read_);
    if (!line.ends_with(kLineEnd)) {
        return line.size() < kLongestLine ? Result<void>{} : malformed("its line is longer than 107 octets");
    }
    auto ends = parse_line(line.substr(0, line.size() - kLineEnd.size()));
    if (!ends) {
        return pass_on(std::move(ends));
    }
    header_.ends = *std::move(ends);
    complete_ = true;
    return {};
}

Result<void> HeaderReader::add_to_block() {
    if (read_.size() < kFixedSize) {
        return {};
    }
    const auto fixed = parse_fixed_part(Bytes(read_).first<kFixedSize>());
    if (!fixed) {
        return std::unexpected(fixed.error());
    }
    if (kFixedSize + fixed->length > kLongestHeader) {
        return malformed("it is longer than 4096 octets");
    }
    if (read_.size() < kFixedSize + fixed->length) {
        return {};
    }
    auto header = parse_block(*fixed, read_);
    if (!header) {
        return pass_on(std::move(header));
    }
    header_ = *std::move(header);
    complete_ = true;
    return {};
}

}  // namespace keysluice::proxy

// A configuration of any bytes is read or refused; what is read reaches the engines as it is.
#include "daemon/control/configuration.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace keysluice;
    const auto result = control::parse_configuration(as_text({data, size}), "f", "/credentials");
    if (!result) {
        for (const control::Diagnostic& diagnostic : result.error()) {
            if (diagnostic.reason.empty() || diagnostic.sentence.empty() || diagnostic.where.line == 0) {
                std::abort();
            }
        }
        return 0;
    }
    if (result->services.size() != result->sources.size()) {
        std::abort();
    }
    for (const TlsService& service : result->services) {
        TlsService told = service;
        told.groups.clear();  // these two are keysluiced's own business
        told.plaintext_remote = PlaintextRemote::refuse;
        if (decode_service(encode(service)) != told) {
            std::abort();
        }
    }
    return 0;
}

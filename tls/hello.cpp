#include "tls/hello.hpp"

#include <cstdint>
#include <tuple>

namespace keysluice::tls {

namespace {

constexpr std::uint16_t kTls13 = 0x0304;
constexpr std::uint16_t kExtendedMasterSecret = 23;
constexpr std::uint8_t kHostName = 0;

}  // namespace

bool offers_tls13(Bytes supported_versions) {
    Reader reader(supported_versions);
    Reader versions(reader.prefixed<std::uint8_t>());
    while (reader.ok() && !versions.rest().empty()) {
        if (versions.be<std::uint16_t>() == kTls13) {
            return true;
        }
    }
    return false;
}

std::string_view server_name_in(Bytes server_name) {
    Reader reader(server_name);
    Reader names(reader.prefixed<std::uint16_t>());
    const auto type = names.be<std::uint8_t>();
    const Bytes name = names.prefixed<std::uint16_t>();
    // RFC 6066 3: "The ServerNameList MUST NOT contain more than one name of the same name_type." No other type was
    // ever defined.
    return reader.finished() && names.finished() && type == kHostName ? as_text(name) : std::string_view();
}

bool has_extended_master_secret(Bytes server_hello) {
    // RFC 5246 7.4.1.3: type and length, server_version, random, session_id, cipher_suite, compression_method.
    constexpr std::size_t kBeforeSessionId = 1 + 3 + 2 + 32;
    constexpr std::size_t kSuiteAndCompression = 2 + 1;
    Reader reader(server_hello);
    std::ignore = reader.take(kBeforeSessionId);
    std::ignore = reader.prefixed<std::uint8_t>();
    std::ignore = reader.take(kSuiteAndCompression);
    Reader extensions(reader.prefixed<std::uint16_t>());
    while (reader.ok() && extensions.ok() && !extensions.rest().empty()) {
        const auto type = extensions.be<std::uint16_t>();
        std::ignore = extensions.prefixed<std::uint16_t>();
        if (type == kExtendedMasterSecret && extensions.ok()) {
            return true;
        }
    }
    return false;
}

}  // namespace keysluice::tls

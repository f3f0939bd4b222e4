// A key's file, or an exported one: whatever is taken can be written again, and is then the same.
#include "daemon/control/named_key.hpp"

#include <cstdlib>

#include "daemon/control/exported_key.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

bool same(Bytes left, Bytes right) {
    return as_text(left) == as_text(right);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input{data, size};
    const std::string_view text = as_text(input);
    if (const auto key = parse_named_key("KEY", input)) {
        require(key->value.size() == octets_of(key->kind));
        const SecretBuffer written = write_named_key(*key);
        const auto again = parse_named_key("KEY", written);
        require(again && again->kind == key->kind && same(again->value.expose(), key->value.expose()));
        require(!is_exported_key(input));
    }
    if (const auto exported = parse_exported_key(input)) {
        const std::string written = write_exported_key(*exported);
        require(written == text || written == std::string(text) + "\n");
        const auto again = parse_exported_key(as_bytes(written));
        require(again && *again == *exported);
        require(exported->log2_n <= 18 && check_key_name(exported->name).has_value());
    }
    for (const KeyKind kind : {KeyKind::hmac_sha1, KeyKind::aes_128}) {
        const auto digits = key_of_digits(kind, input);
        const auto typed = key_of_text(kind, input);
        require(!digits || digits->size() == octets_of(kind));
        require(!typed || same(typed->expose(), input));
    }
    return 0;
}

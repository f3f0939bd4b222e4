#include "daemon/control/exported_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/hex.hpp"
#include "crypto/cipher.hpp"
#include "crypto/scrypt.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kBeginning = "keysluice-exported-key 1 ";
constexpr std::string_view kDerivation = "scrypt ";
constexpr std::string_view kBlocks = " 8 1 ";
constexpr unsigned int kCost = 17;
constexpr unsigned int kLeastCost = 14;
constexpr unsigned int kMostCost = 18;
constexpr auto kCipher = crypto::Cipher::aes256_gcm;

std::unexpected<Error> malformed() {
    return fail("key-malformed",
                "expected the three lines of an exported key as `keysluice key export` writes them; "
                "copy the file again");
}

/// What stands before `mark`, which is taken out with it.
std::string_view take_until(std::string_view& rest, std::string_view mark) {
    const auto end = rest.find(mark);
    const std::string_view taken = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + mark.size());
    return taken;
}

/// 0: there is none.
unsigned int cost_of(std::string_view digits) {
    unsigned int cost = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), cost);
    return cost;
}

/// The lines that are authenticated and not encrypted.
std::string header_of(const ExportedKey& exported) {
    std::string text = fmt::format("{}{}\n{}{}{}", kBeginning, exported.name, kDerivation, exported.log2_n, kBlocks);
    append_hex(text, exported.salt);
    text += '\n';
    return text;
}

/// The cipher's key, and behind it the nonce: a salt of its own for each file makes both of them new.
class Keys {
   public:
    Result<void> derive(const ExportedKey& exported, Bytes passphrase) {
        if (passphrase.empty() || passphrase.size() > kLongestPassphrase) {
            return fail("passphrase-unusable", fmt::format("a passphrase has 1 to {} octets; {} came",
                                                           kLongestPassphrase, passphrase.size()));
        }
        const std::size_t size = crypto::key_size(kCipher) + crypto::nonce_size(kCipher);
        return crypto::scrypt(passphrase, exported.salt, exported.log2_n, keys_.writable(size));
    }
    [[nodiscard]] Bytes key() const { return keys_.expose().first(crypto::key_size(kCipher)); }
    [[nodiscard]] Bytes nonce() const { return keys_.expose().subspan(crypto::key_size(kCipher)); }

   private:
    Secret<64> keys_;
};

}  // namespace

bool is_exported_key(Bytes text) {
    return as_text(text).starts_with(kBeginning);
}

Result<ExportedKey> parse_exported_key(Bytes text) {
    if (!is_exported_key(text)) {
        return malformed();
    }
    std::string_view rest = as_text(text).substr(kBeginning.size());
    ExportedKey exported;
    exported.name = take_until(rest, "\n");
    if (auto good = check_key_name(exported.name); !good) {
        return pass_on(std::move(good));
    }
    take_until(rest, kDerivation);
    exported.log2_n = cost_of(take_until(rest, kBlocks));
    if (exported.log2_n < kLeastCost || exported.log2_n > kMostCost ||
        !read_hex(take_until(rest, "\n"), exported.salt)) {
        return malformed();
    }
    const std::string_view sealed = take_until(rest, "\n");
    exported.sealed.resize(sealed.size() / 2);
    // Whatever was read too leniently shows here: there is one way to write it.
    const std::string written = read_hex(sealed, exported.sealed) ? write_exported_key(exported) : std::string();
    if (exported.sealed.size() <= crypto::tag_size(kCipher) ||
        (as_text(text) != written && fmt::format("{}\n", as_text(text)) != written)) {
        return malformed();
    }
    return exported;
}

std::string write_exported_key(const ExportedKey& exported) {
    std::string text = header_of(exported);
    append_hex(text, exported.sealed);
    text += '\n';
    return text;
}

Result<ExportedKey> export_key(const NamedKey& key, Bytes passphrase, Random& random) {
    ExportedKey exported;
    exported.name = key.name;
    exported.log2_n = kCost;
    random.fill(exported.salt);
    Keys keys;
    if (auto derived = keys.derive(exported, passphrase); !derived) {
        return pass_on(std::move(derived));
    }
    const SecretBuffer plain = write_named_key(key);
    exported.sealed.resize(plain.size() + crypto::tag_size(kCipher));
    auto sealed = crypto::Ciphers().seal(kCipher, keys.key(), keys.nonce(), as_bytes(header_of(exported)), plain,
                                         exported.sealed);
    if (!sealed) {
        return pass_on(std::move(sealed));
    }
    return exported;
}

Result<NamedKey> import_key(const ExportedKey& exported, Bytes passphrase) {
    Keys keys;
    if (auto derived = keys.derive(exported, passphrase); !derived) {
        return pass_on(std::move(derived));
    }
    SecretBuffer plain(exported.sealed.size() - crypto::tag_size(kCipher));
    if (!crypto::Ciphers().open(kCipher, keys.key(), keys.nonce(), as_bytes(header_of(exported)), exported.sealed,
                                plain)) {
        return fail("passphrase-wrong",
                    fmt::format("the exported key {} does not open: it has another passphrase, or "
                                "the file was changed on its way",
                                exported.name));
    }
    return parse_named_key(exported.name, plain);
}

}  // namespace keysluice::control

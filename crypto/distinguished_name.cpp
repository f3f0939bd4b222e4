#include "crypto/distinguished_name.hpp"

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "crypto/openssl.hpp"

namespace keysluice::crypto {
namespace {

using NamePtr = std::unique_ptr<X509_NAME, Free<X509_NAME_free>>;

NamePtr read(Bytes der) {
    const std::uint8_t* at = der.data();
    NamePtr name{d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size()))};
    if (name && at != der.data() + der.size()) {
        name.reset();
    }
    ERR_clear_error();
    return name;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    return first == std::string_view::npos ? std::string_view()
                                           : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// X.680's PrintableString.
bool is_printable(std::string_view value) {
    constexpr std::string_view kOthers = " '()+,-./:=?";
    return std::ranges::all_of(value, [&](char each) {
        return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') ||
               kOthers.contains(each);
    });
}

int string_type(int attribute, std::string_view value) {
    if (attribute == NID_pkcs9_emailAddress || attribute == NID_domainComponent) {
        return V_ASN1_IA5STRING;
    }
    return is_printable(value) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
}

bool add(X509_NAME& name, std::string_view part) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) {
        return false;
    }
    const std::string key(trimmed(part.substr(0, equals)));
    const std::string_view value = trimmed(part.substr(equals + 1));
    const int attribute = key == "E" ? NID_pkcs9_emailAddress : OBJ_txt2nid(key.c_str());
    return attribute != NID_undef && !value.empty() &&
           X509_NAME_add_entry_by_NID(&name, attribute, string_type(attribute, value), as_bytes(value).data(),
                                      static_cast<int>(value.size()), -1, 0) == 1;
}

/// The parts between commas, without the backslashes that protected some.
std::vector<std::string> parts_of(std::string_view text) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            parts.back() += text[++i];
        } else if (text[i] == ',') {
            parts.emplace_back();
        } else {
            parts.back() += text[i];
        }
    }
    return parts;
}

}  // namespace

Result<std::vector<std::uint8_t>> parse_name(std::string_view text) {
    const NamePtr name{X509_NAME_new()};
    for (const std::string& part : parts_of(text)) {
        const bool added = add(*name, part);
        ERR_clear_error();
        if (!added) {
            return fail("identity-syntax",
                        fmt::format("'{}' is no part of a distinguished name: expected names as in "
                                    "\"C=DE, O=Example, CN=gw1.example\"",
                                    part));
        }
    }
    std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_X509_NAME(name.get(), nullptr)));
    std::uint8_t* out = der.data();
    i2d_X509_NAME(name.get(), &out);
    return der;
}

std::string print_name(Bytes der) {
    const NamePtr name = read(der);
    const BioPtr out{BIO_new(BIO_s_mem())};
    constexpr unsigned long kStyle = ASN1_STRFLGS_RFC2253 | XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN;
    if (!name || !out || X509_NAME_print_ex(out.get(), name.get(), 0, kStyle) < 0) {
        ERR_clear_error();
        return {};
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

bool same_name(Bytes a, Bytes b) {
    const NamePtr first = read(a);
    const NamePtr second = read(b);
    return first && second && X509_NAME_cmp(first.get(), second.get()) == 0;
}

std::size_t hash_of_name(Bytes der) {
    const NamePtr name = read(der);
    // Of the canonical form, which same_name() compares.
    return name ? X509_NAME_hash_ex(name.get(), nullptr, nullptr, nullptr) : 0;
}

}  // namespace keysluice::crypto

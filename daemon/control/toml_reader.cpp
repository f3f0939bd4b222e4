#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/control/toml_document.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

/// toml++ destroys the tables of a dotted key recursively, so that a key of 50,000 parts ends with the stack.
constexpr std::ptrdiff_t kMostDotsInLine = 1000;

Position to_position(const toml::source_position& place, const std::string& file) {
    return {file, place.line, place.column};
}

/// Turns toml++'s tree into ours.
class Converter {
   public:
    explicit Converter(const std::string& file) : file_(file) {}

    TomlTable table(const toml::table& source) const {
        TomlTable result;
        for (const auto& [key, node] : source) {
            result.entries.push_back({std::string(key.str()), to_position(key.source().begin, file_), value(node)});
        }
        return result;
    }

   private:
    TomlValue value(const toml::node& node) const {
        TomlValue result{to_position(node.source().begin, file_), TomlOther{"a date or time"}};
        if (const auto* text = node.as_string()) {
            result.content = text->get();
        } else if (const auto* number = node.as_integer()) {
            result.content = number->get();
        } else if (const auto* array = node.as_array()) {
            result.content = this->array(*array);
        } else if (const auto* nested = node.as_table()) {
            result.content = table(*nested);
        } else if (const auto* truth = node.as_boolean()) {
            result.content = truth->get();
        } else if (node.is_floating_point()) {
            result.content = TomlOther{"a floating-point number"};
        }
        return result;
    }

    TomlArray array(const toml::array& source) const {
        TomlArray result;
        for (const toml::node& node : source) {
            result.items.push_back(value(node));
        }
        return result;
    }

    const std::string& file_;
};

Position position_of(std::string_view text, std::size_t offset, const std::string& file) {
    const std::string_view before = text.substr(0, offset);
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t start = before.rfind('\n') + 1;
    return {file, static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(offset - start + 1)};
}

/// How many bytes the character at the front has, 0 for what RFC 3629 doesn't allow.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto follows = [byte](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        return follows(1) ? 2 : 0;
    }
    if ((first & 0xf0U) == 0xe0U) {
        const bool overlong = first == 0xe0 && byte(1) < 0xa0;
        const bool surrogate = first == 0xed && byte(1) >= 0xa0;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0 && first < 0xf5) {
        const bool overlong = first == 0xf0 && byte(1) < 0x90;
        const bool too_large = first == 0xf4 && byte(1) >= 0x90;
        return follows(1) && follows(2) && follows(3) && !overlong && !too_large ? 4 : 0;
    }
    return 0;
}

std::optional<Diagnostic> check_utf8(std::string_view text, const std::string& file) {
    for (std::size_t offset = 0; offset < text.size();) {
        const std::size_t length = utf8_length(text.substr(offset));
        if (length == 0) {
            return Diagnostic{position_of(text, offset, file), "file-not-utf8",
                              fmt::format("this is not UTF-8: the byte 0x{:02x} cannot stand here; save the file as "
                                          "UTF-8 text",
                                          static_cast<unsigned char>(text[offset]))};
        }
        offset += length;
    }
    return std::nullopt;
}

std::optional<Diagnostic> check_for_keys(std::string_view text, const std::string& file) {
    const std::size_t end = text.find("PRIVATE KEY-----");
    const std::size_t begin = text.substr(0, end).rfind("-----BEGIN ");
    if (end == std::string_view::npos || begin == std::string_view::npos) {
        return std::nullopt;
    }
    return Diagnostic{position_of(text, begin, file), "secret-in-file",
                      "a private key stands in the configuration itself: put it into a file of its own that only "
                      "keysluice can read, and write private_key = \"file:/PATH\" or \"credential:NAME\""};
}

std::optional<Diagnostic> check_dots(std::string_view text, const std::string& file) {
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        if (std::ranges::count(text.substr(start, end - start), '.') > kMostDotsInLine) {
            return Diagnostic{
                position_of(text, start, file), "toml-syntax",
                fmt::format("this line has more than {} dots: break it into several lines", kMostDotsInLine)};
        }
        start = end + 1;
    }
    return std::nullopt;
}

}  // namespace

const TomlEntry* TomlTable::find(std::string_view key) const {
    const auto entry = std::ranges::find(entries, key, &TomlEntry::key);
    return entry == entries.end() ? nullptr : &*entry;
}

std::string_view kind_of(const TomlValue& value) {
    struct Kind {
        std::string_view operator()(const std::string&) const { return "a string"; }
        std::string_view operator()(std::int64_t) const { return "an integer"; }
        std::string_view operator()(const TomlArray&) const { return "an array"; }
        std::string_view operator()(const TomlTable&) const { return "a table"; }
        std::string_view operator()(bool /*truth*/) const { return "a boolean"; }
        std::string_view operator()(const TomlOther& other) const { return other.kind; }
    };
    return std::visit(Kind{}, value.content);
}

std::expected<TomlTable, Diagnostic> parse_toml(std::string_view text, const std::string& file) {
    for (const auto check : {check_utf8, check_for_keys, check_dots}) {
        if (std::optional<Diagnostic> wrong = check(text, file)) {
            return std::unexpected(*std::move(wrong));
        }
    }
    try {
        return Converter(file).table(toml::parse(text));
    } catch (const toml::parse_error& error) {
        return std::unexpected(Diagnostic{to_position(error.source().begin, file), "toml-syntax",
                                          fmt::format("this is not TOML: {}", escaped(error.description()))});
    }
}

}  // namespace keysluice::control

#include "daemon/control/toml_document.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace keysluice::control;

namespace {

std::string fault(std::string_view text) {
    const auto document = parse_toml(text, "f");
    REQUIRE_FALSE(document);
    return std::string(document.error().reason) + " " + to_string(document.error());
}

}  // namespace

TEST_CASE("values keep their kind and their place") {
    const auto document = parse_toml(
        "[t]\n"
        "text = \"a\"\n"
        "number = -3\n"
        "array = [1,\n"
        "  \"b\"]\n"
        "yes = true\n"
        "real = 1.5\n"
        "day = 2026-01-01\n"
        "[[t.each]]\n"
        "[[t.each]]\n",
        "f");
    REQUIRE(document);
    const auto& table = std::get<TomlTable>(document->find("t")->value.content);
    CHECK(document->find("t")->value.where == Position{"f", 1, 1});
    CHECK(document->find("u") == nullptr);
    CHECK(std::get<std::string>(table.find("text")->value.content) == "a");
    CHECK(table.find("text")->where == Position{"f", 2, 1});
    CHECK(table.find("text")->value.where == Position{"f", 2, 8});
    CHECK(std::get<std::int64_t>(table.find("number")->value.content) == -3);
    const auto& array = std::get<TomlArray>(table.find("array")->value.content);
    REQUIRE(array.items.size() == 2);
    CHECK(array.items[1].where == Position{"f", 5, 3});
    const auto& each = std::get<TomlArray>(table.find("each")->value.content);
    REQUIRE(each.items.size() == 2);
    CHECK(each.items[1].where == Position{"f", 10, 1});
    const auto kind = [&table](std::string_view key) { return kind_of(table.find(key)->value); };
    CHECK(kind("text") == "a string");
    CHECK(kind("number") == "an integer");
    CHECK(kind("array") == "an array");
    CHECK(kind("yes") == "a boolean");
    CHECK(kind("real") == "a floating-point number");
    CHECK(kind("day") == "a date or time");
    CHECK(kind_of(document->find("t")->value) == "a table");
}

TEST_CASE("what is not TOML has a place") {
    CHECK(fault("a = \"b").starts_with("toml-syntax f:1:7: this is not TOML: "));
    CHECK(fault("a = 1\nb = tru").starts_with("toml-syntax f:2:8: this is not TOML: "));
    CHECK(fault("[x]\n[x]\n").starts_with("toml-syntax f:2:1: this is not TOML: "));
    CHECK(fault("a = \"\x1b\"").find('\x1b') == std::string::npos);
}

TEST_CASE("what is not UTF-8 has a place") {
    const std::string rest = " cannot stand here; save the file as UTF-8 text";
    CHECK(fault("a = 1\nb = \"\xff\"") == "file-not-utf8 f:2:6: this is not UTF-8: the byte 0xff" + rest);
    for (const std::string& bad :
         {std::string("\x80"), std::string("\xc0\xaf"), std::string("\xc1\xbf"), std::string("\xe0\x9f\xbf"),
          std::string("\xed\xa0\x80"), std::string("\xf0\x8f\xbf\xbf"), std::string("\xf4\x90\x80\x80"),
          std::string("\xf5\x80\x80\x80"), std::string("\xc3"), std::string("\xe2\x82"), std::string("\xf0\x9f\x94"),
          std::string("\xc3\x28")}) {
        CAPTURE(bad.size());
        CHECK(fault("# " + bad).starts_with("file-not-utf8 f:1:3: "));
    }
    for (const std::string& good :
         {std::string("\xc3\xa9"), std::string("\xe2\x82\xac"), std::string("\xef\xbf\xbd"),
          std::string("\xed\x9f\xbf"), std::string("\xf4\x8f\xbf\xbf"), std::string("\x7e")}) {
        CHECK(parse_toml("# " + good, "f"));
    }
}

TEST_CASE("a private key in the text is refused before anything could repeat it") {
    const std::string pem = "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n";
    for (const std::string& text :
         {"\nkey = \"\"\"" + pem + "\"\"\"", "\nkey = \"\"\"" + pem, "\nkey =    " + pem, "\n#        " + pem}) {
        const std::string printed = fault(text);
        CHECK(printed.starts_with("secret-in-file f:2:10: a private key stands in the configuration itself"));
        CHECK(printed.find("c2VjcmV0") == std::string::npos);
    }
    CHECK(parse_toml("# -----BEGIN CERTIFICATE-----", "f"));
    CHECK(parse_toml("# PRIVATE KEY-----", "f"));
}

TEST_CASE("dotted keys can't exhaust the stack") {
    const auto dotted = [](std::size_t parts) {
        std::string text = "# a comment\n";
        for (std::size_t i = 0; i < parts; ++i) {
            text += "a.";
        }
        return text + "a = 1";
    };
    CHECK(parse_toml(dotted(1000), "f"));
    CHECK(fault(dotted(1001)) == "toml-syntax f:2:1: this line has more than 1000 dots: break it into several lines");
    CHECK(fault(dotted(200000)).starts_with("toml-syntax f:2:1: "));
    CHECK(fault("a = " + std::string(100000, '[')).starts_with("toml-syntax f:1:"));
}

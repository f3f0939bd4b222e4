#include "daemon/engine/submission.hpp"

#include <doctest/doctest.h>

using namespace keysluice;

namespace {

Result<std::string> parsed(std::string_view packet) {
    return parse_submission(as_bytes(packet));
}

}  // namespace

TEST_CASE("submissions") {
    CHECK(parsed(R"({"version":1,"id":"7"})") == "7");
    CHECK(parsed("\n{ \"id\" : \"a b\" ,\t\"version\" : 1 }\n") == "a b");
    CHECK(parsed(R"({"version":1,"id":""})") == "");
    CHECK(parsed(R"({"version":1,"id":"\u0041"})") == "A");
    CHECK(parsed(R"({"version":1,"id":")" + std::string(64, 'x') + "\"}"));
    for (const std::string& wrong : {std::string(),
                                     std::string("{}"),
                                     std::string(R"({"version":1})"),
                                     std::string(R"({"id":"7"})"),
                                     std::string(R"({"version":2,"id":"7"})"),
                                     std::string(R"({"version":11,"id":"7"})"),
                                     std::string(R"({"version":"1","id":"7"})"),
                                     std::string(R"({"version":1,"id":"7"}x)"),
                                     std::string(R"({"version":1,"id":"7","x":"y"})"),
                                     std::string(R"({"version":1,"id":{"id":"7"}})"),
                                     std::string(R"({"version":1,"id":"\u00e9"})"),
                                     std::string("{\"version\":1,\"id\":\"\n\"}"),
                                     std::string(R"({"version":1,"id":"a\"b"})"),
                                     std::string(R"({"version":1,"id":"a\\b"})"),
                                     std::string(R"({"version":1,"id":"\n"})"),
                                     std::string(R"({"version":1,"id":7})"),
                                     std::string(R"({"version":1,"id":"7")"),
                                     std::string(R"({"version":1,"id":"7)"),
                                     std::string(R"({"version":1,"id":"7",})"),
                                     std::string(R"(["version",1,"id","7"])"),
                                     R"({"version":1,"id":")" + std::string(65, 'x') + "\"}",
                                     R"({"version":1,"id":"7"})" + std::string(kLargestSubmission, ' ')}) {
        CAPTURE(wrong);
        const auto result = parsed(wrong);
        REQUIRE_FALSE(result);
        CHECK(result.error().reason == "submission-malformed");
    }
}

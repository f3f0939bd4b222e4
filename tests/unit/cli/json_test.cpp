#include "cli/json.hpp"

#include <doctest/doctest.h>

using namespace keysluice::cli;

TEST_SUITE("cli: JSON") {
    TEST_CASE("values, in the order in which they were named") {
        const std::vector<std::string> texts{"a", "b\"\\\n\x1f"};
        CHECK(Json::object({{"z", 1},
                            {"a", nullptr},
                            {"flag", true},
                            {"many", UINT64_MAX},
                            {"texts", Json::array(texts)},
                            {"none", std::optional<std::int64_t>()},
                            {"some", std::optional<std::int64_t>(-7)},
                            {"inner", Json::object({{"é", "ü"}})},
                            {"empty", Json::array(std::vector<Json>())}})
                  .text() == R"({"z":1,"a":null,"flag":true,"many":18446744073709551615,"texts":["a",)"
                             R"("b\"\\\u000a\u001f"],"none":null,"some":-7,"inner":{"é":"ü"},"empty":[]})");
    }

    TEST_CASE("a document has the version of its schema") {
        CHECK(document({{"names", Json::array(std::vector<std::string>{})}}) == "{\"version\":1,\"names\":[]}\n");
    }
}

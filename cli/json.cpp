#include "cli/json.hpp"

#include "base/json_text.hpp"

namespace keysluice::cli {
namespace {

/// Of every document that a command writes: keysluice(1). Members are added without another one.
constexpr int kSchemaVersion = 1;

}  // namespace

std::string Json::quoted(std::string_view text) {
    std::string result;
    append_json_text(result, text);
    return result;
}

Json Json::object(std::initializer_list<Member> members) {
    return object(std::span<const Member>(members));
}

Json Json::object(std::span<const Member> members) {
    Json result;
    result.text_ = "{";
    for (const Member& member : members) {
        result.text_ += (result.text_.size() > 1 ? "," : "") + quoted(member.key) + ":" + member.value.text_;
    }
    result.text_ += "}";
    return result;
}

Json Json::array(const std::vector<Json>& values) {
    Json result;
    result.text_ = "[";
    for (const Json& value : values) {
        result.text_ += (result.text_.size() > 1 ? "," : "") + value.text_;
    }
    result.text_ += "]";
    return result;
}

std::string document(std::initializer_list<Json::Member> members) {
    std::vector<Json::Member> all{{"version", kSchemaVersion}};
    all.insert(all.end(), members);
    return Json::object(all).text() + "\n";
}

}  // namespace keysluice::cli

// The only place in cli/ for nlohmann-json, which is slow to compile.

#include "cli/policy/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/printable.hpp"

namespace keysluice::cli::policy {
namespace {

using nlohmann::json;

std::string text_at(const json& object, const char* key) {
    const json& value = object.at(key);
    return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string joined(const json& list, const std::string& none) {
    std::string text;
    for (const json& each : list) {
        text += (text.empty() ? "" : ", ") + printable(each.get<std::string>());
    }
    return text.empty() ? none : text;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

/// "1-19" with room around its dash, as the manual of the ClearPath MCP has it.
std::string spaced(const std::string& range) {
    const std::size_t dash = range.find('-');
    return dash == std::string::npos ? upper(range)
                                     : fmt::format("{} - {}", range.substr(0, dash), range.substr(dash + 1));
}

std::string piece_text(const json& piece) {
    return fmt::format(
        "ULP = {}\nDirection = {}\nTest Result = {}\nLocal IP Address = {}\nLocal Port or ICMP Type/Code = {}\n"
        "Remote IP Address = {}\nRemote Port = {}\nFirst Matched Policy = {}\nMatching Bypass Policies = {}\n"
        "Matching Discard Policies = {}\nMatching Protect Policies = {}\n",
        upper(text_at(piece, "protocol")), upper(text_at(piece, "direction")), upper(text_at(piece, "result")),
        upper(text_at(piece, "local_address")), spaced(text_at(piece, "local_port")),
        upper(text_at(piece, "remote_address")), spaced(text_at(piece, "remote_port")), text_at(piece, "first_match"),
        joined(piece.at("matching_bypass"), "None"), joined(piece.at("matching_discard"), "None"),
        joined(piece.at("matching_protect"), "None"));
}

std::string side_text(const json& policy, const char* addresses, const char* ports) {
    const std::string address = joined(policy.at(addresses), "any");
    const std::string port = policy.contains(ports) ? joined(policy.at(ports), "") : "";
    return port.empty() ? address : fmt::format("{} port {}", address, port);
}

std::string protection_text(const json& protection) {
    if (protection.is_null()) {
        return "";
    }
    if (protection.contains("connection")) {
        return fmt::format(" by {}/{}", text_at(protection, "connection"), text_at(protection, "child"));
    }
    std::string text =
        fmt::format(" by {} {} SPI {} ({})", upper(text_at(protection, "ipsec")), text_at(protection, "mode"),
                    text_at(protection, "spi"), text_at(protection, "spi_hex"));
    for (const char* each : {"integrity", "confidentiality"}) {
        if (protection.contains(each)) {
            text += fmt::format(" {} {}", text_at(protection, each),
                                text_at(protection, (std::string(each) + "_key").c_str()));
        }
    }
    return text;
}

std::string policy_text(const json& policy) {
    std::string icmp;
    if (policy.contains("icmp_types")) {
        icmp = fmt::format(" type {}", joined(policy.at("icmp_types"), "any"));
        const std::string codes = joined(policy.at("icmp_codes"), "");
        icmp += codes.empty() ? "" : fmt::format(" code {}", codes);
    }
    const json discarded = policy.value("discarded", json(nullptr));
    return fmt::format(
        "{:<3}  {:<7}  {}  {}{}  {} to {}{}{}{}", text_at(policy, "direction"), text_at(policy, "disposition"),
        text_at(policy, "name"), policy.at("protocol").is_null() ? "any" : text_at(policy, "protocol"), icmp,
        side_text(policy, "local", "local_ports"), side_text(policy, "remote", "remote_ports"),
        protection_text(policy.at("protection")),
        policy.at("kernel_entries") == 0 ? ""
                                         : fmt::format("  [kernel entries: {}]", text_at(policy, "kernel_entries")),
        discarded.is_null() || discarded == 0 ? "" : fmt::format("  [discarded: {}]", discarded.dump()));
}

std::string show_text(const json& document) {
    std::string text =
        fmt::format("{} policies, {}; packets that none fits: {}; kernel entries: {}\n", text_at(document, "set"),
                    document.at("enforced").get<bool>() ? "enforced" : "not enforced", text_at(document, "default"),
                    text_at(document, "kernel_entries"));
    if (!document.at("returns_at").is_null()) {
        text +=
            fmt::format("the set before holds again at {} (seconds since 1970) unless `keysluice policy confirm`\n",
                        text_at(document, "returns_at"));
    }
    std::size_t place = 0;
    for (const json& each : document.at("policies")) {
        text += fmt::format("{:>4}  {}\n", ++place, policy_text(each));
    }
    return text;
}

std::string list_text(const json& document, const char* key, std::string_view sign) {
    std::string text;
    for (const json& each : document.at(key)) {
        text += fmt::format("{} {}\n", sign, printable(each.get<std::string>()));
    }
    return text;
}

constexpr std::string_view kNotEnforced = "they are not enforced: `keysluice policy enable` has the kernel hold them";

std::string kernel_text(const json& kernel) {
    return fmt::format("in the kernel {} added, {} changed, {} removed, of SAs {} added, {} made again, {} removed",
                       kernel.at("missing").size(), kernel.at("different").size(), kernel.at("surplus").size(),
                       kernel.at("missing_sas").size(), kernel.at("different_sas").size(),
                       kernel.at("surplus_sas").size());
}

std::string change_text(const json& document) {
    std::string text =
        list_text(document, "removed", "-") + list_text(document, "added", "+") + list_text(document, "changed", "~");
    text += fmt::format(
        "{} policies; {}\n", document.at("policies").get<std::size_t>(),
        document.at("enforced").get<bool>() ? kernel_text(document.at("kernel")) : std::string(kNotEnforced));
    for (const json& each : document.at("warnings")) {
        text += fmt::format("warning: {} ({})\n", text_at(each, "sentence"), text_at(each, "reason"));
    }
    if (!document.at("returns_at").is_null()) {
        text += "`keysluice policy confirm` keeps them; else those before hold again\n";
    }
    return text;
}

std::string verify_text(const json& document) {
    if (document.at("holds").get<bool>()) {
        return document.at("enforced").get<bool>()
                   ? "the kernel holds what was committed\n"
                   : "policies are not enforced, and the kernel holds nothing of them\n";
    }
    std::string text = "the kernel differs from what was committed\n";
    for (const char* each : {"missing", "missing_sas", "different", "different_sas", "surplus", "surplus_sas"}) {
        std::string words = each;
        text += list_text(document, each, words.substr(0, words.find('_')) + ":");
    }
    return text;
}

std::string keys_text(const json& document) {
    std::string text;
    for (const json& each : document.at("keys")) {
        text += each.at("problem").is_null()
                    ? fmt::format("{}  {}  {}  {}\n", text_at(each, "name"), text_at(each, "kind"),
                                  text_at(each, "fingerprint"), text_at(each, "place"))
                    : fmt::format("{}  {}\n", text_at(each, "name"), text_at(each, "problem"));
    }
    return text;
}

std::string test_text(const json& document) {
    std::string text;
    for (const json& each : document.at("pieces")) {
        text += (text.empty() ? "" : "\n") + piece_text(each);
    }
    return text;
}

std::string enforced_text(const json& document) {
    return document.at("enforced").get<bool>() ? "policies are enforced\n" : "policies are not enforced\n";
}

std::string write(PolicyCall::Method method, const json& document) {
    using Method = PolicyCall::Method;
    switch (method) {
        case Method::show:
            return show_text(document);
        case Method::test:
            return test_text(document);
        case Method::diff:
        case Method::commit:
            return change_text(document);
        case Method::verify:
            return verify_text(document);
        case Method::list_keys:
            return keys_text(document);
        case Method::edit:
        case Method::import:
            return fmt::format("written: {}\n", joined(document.at("files"), "nothing"));
        case Method::confirm:
        case Method::enable:
        case Method::disable:
        case Method::renew_key:
            return enforced_text(document);
        case Method::exported:
            break;  // is TOML
    }
    return {};
}

}  // namespace

Result<std::string> text_of(const PolicyCall& call, const std::string& document) {
    if (call.method == PolicyCall::Method::exported) {
        return document;
    }
    try {
        return write(call.method, json::parse(document));
    } catch (const json::exception& problem) {
        return fail("call-failed", fmt::format("the service's answer can't be read: {}", problem.what()));
    }
}

bool holds(const std::string& document) {
    const json read = json::parse(document, nullptr, false);
    return read.is_object() && read.value("holds", false);
}

}  // namespace keysluice::cli::policy

#include "dbus/networkmanager/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json_text.hpp"

namespace keysluice::networkmanager {
namespace {

constexpr std::array kKeys = std::to_array<Key>({
    {"gateway", "remote", Form::one_or_more, Table::connection},
    {"gateway-order", "remote_order", Form::text, Table::connection},
    {"return", "return", Form::text, Table::connection},
    {"return-check", "return_check", Form::text, Table::connection},
    {"return-idle", "return_idle", Form::text, Table::connection},
    {"local", "local", Form::text, Table::connection},
    {"local-id", "local_id", Form::text, Table::connection},
    {"remote-id", "remote_id", Form::text, Table::connection},
    {"method", "auth", Form::text, Table::connection},
    {"remote-method", "remote_auth", Form::text, Table::connection},
    {"user", "eap_identity", Form::text, Table::connection},
    {"eap-server-id", "eap_server_id", Form::text, Table::connection},
    {"certificate", "certificate", Form::file, Table::connection},
    {"private-key", "private_key", Form::key_file, Table::connection},
    {"ca", "ca", Form::file, Table::connection},
    {"crl", "crl", Form::files, Table::connection},
    {"proposals", "proposals", Form::list, Table::connection},
    {"allow-weak", "allow_weak", Form::list, Table::connection},
    {"rekey-time", "rekey_time", Form::text, Table::connection},
    {"reauth-time", "reauth_time", Form::text, Table::connection},
    {"liveness", "liveness", Form::text, Table::connection},
    {"virtual-addresses", "virtual_addresses", Form::list, Table::connection},
    {"interface", "interface", Form::text, Table::connection},
    {"mode", "mode", Form::text, Table::child},
    {"local-ts", "local_ts", Form::list, Table::child},
    {"remote-ts", "remote_ts", Form::list, Table::child},
    {"esp", "esp", Form::list, Table::child},
    {"esp-rekey-time", "rekey_time", Form::text, Table::child},
    {"offload", "offload", Form::text, Table::child},
});

void append_list(std::string& into, const std::vector<std::string_view>& items) {
    into += '[';
    for (const std::string_view item : items) {
        into += item.data() == items.front().data() ? "" : ", ";
        append_json_text(into, item);
    }
    into += ']';
}

void append_value(std::string& into, Form form, std::string_view value) {
    switch (form) {
        case Form::one_or_more:
            if (const auto items = items_of(value); items.size() > 1) {
                append_list(into, items);
                break;
            }
            [[fallthrough]];
        case Form::text:
        case Form::file:
            append_json_text(into, value);
            break;
        case Form::files:
            if (value.starts_with("-----BEGIN ")) {
                append_list(into, {value});
                break;
            }
            [[fallthrough]];
        case Form::list:
            append_list(into, items_of(value));
            break;
        case Form::key_file:
            append_json_text(into, value == kGivenPrivateKey ? std::string(value) : fmt::format("file:{}", value));
            break;
    }
}

}  // namespace

std::span<const Key> keys() {
    return kKeys;
}

bool names_files(Form form) {
    return form == Form::file || form == Form::files || form == Form::key_file;
}

bool is_separator(char character) {
    return std::string_view(" ,;\t\n").contains(character);
}

std::vector<std::string_view> items_of(std::string_view value) {
    std::vector<std::string_view> items;
    while (!value.empty()) {
        const auto begin = std::ranges::find_if_not(value, is_separator);
        const auto end = std::find_if(begin, value.end(), is_separator);
        if (begin != end) {
            items.emplace_back(begin, end);
        }
        value = std::string_view(end, value.end());
    }
    return items;
}

void append_table(std::string& into, const Data& data, Table table) {
    for (const Key& key : keys()) {
        const auto found = data.find(std::string(key.data));
        if (key.table == table && found != data.end()) {
            into += fmt::format("{} = ", key.toml);
            append_value(into, key.form, found->second);
            into += '\n';
        }
    }
}

}  // namespace keysluice::networkmanager

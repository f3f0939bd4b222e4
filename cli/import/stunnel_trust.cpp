#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/import/stunnel_service.hpp"
#include "daemon/shared/endpoint.hpp"

namespace keysluice::importer {
namespace {

constexpr std::string_view kDebianFolder = "/etc/ssl/certs";
constexpr std::string_view kDebianBundle = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::string_view kPeerAlone =
    "certificates are verified up to ca, and not looked for among those in CAfile: have peer_keys name their keys";

}  // namespace

void StunnelService::take_ca(const StunnelOption& option) {
    trust_.push_back(&option);
    if (option.key == "cafile") {
        ca_ = path_of(option);
        return;
    }
    const std::string_view folder = option.value.substr(0, option.value.find_last_not_of('/') + 1);
    if (folder == kDebianFolder) {
        ca_ = ca_.empty() ? kDebianBundle : ca_;
    } else {
        folder_of_ca_ = &option;
    }
}

void StunnelService::take_crl(const StunnelOption& option) {
    trust_.push_back(&option);
    crl_.push_back(path_of(option));
}

void StunnelService::take_level(const StunnelOption& option) {
    const auto level = number(option.value);
    if (!level || *level > 4) {
        return leave_out(fmt::format("{}: expected 0 to 4", option.shown));
    }
    verify_ = *level == 0 ? verify_ : &option;
    optional_ = *level == 1;
    if (*level == 0) {
        remark(option, "certificates that nobody verifies are not asked for", Effect::harmless);
    } else if (*level > 2) {
        remark(option, std::string(kPeerAlone));
    }
}

void StunnelService::take_verify(const StunnelOption& option) {
    if (!yes(option.value)) {
        return;
    }
    verify_ = &option;
    if (option.key == "verifypeer") {
        remark(option, std::string(kPeerAlone));
    }
}

void StunnelService::take_check(const StunnelOption& option) {
    trust_.push_back(&option);
    checks_.push_back(&option);
}

void StunnelService::take_sni(const StunnelOption& option) {
    const auto colon = option.value.rfind(':');
    if (!client_ && colon != std::string_view::npos) {
        names_.emplace_back(option.value.substr(colon + 1));
    } else if (client_) {
        sni_ = &option;
    } else {
        leave_out(fmt::format("{}: expected SERVICE:NAME", option.shown));
    }
}

void StunnelService::finish_trust() {
    if (verify_ == nullptr) {
        return finish_without_trust();
    }
    if (ca_.empty()) {
        return leave_out(fmt::format("{}: ca is one file: put the certificates of {} into one, and name it in CAfile",
                                     verify_->shown,
                                     folder_of_ca_ == nullptr ? "the authorities" : folder_of_ca_->value));
    }
    if (folder_of_ca_ != nullptr) {
        remark(*folder_of_ca_, "ca is one file, CAfile's: add the certificates of this folder to it");
    }
    table_.set("ca", ca_);
    if (!crl_.empty()) {
        table_.set("crl", crl_);
    }
    if (client_) {
        finish_server_name();
    } else {
        table_.set("client_certificate", optional_ && require_ == nullptr ? "optional" : "required");
    }
    finish_checks();
}

void StunnelService::finish_without_trust() {
    for (const StunnelOption* option : trust_) {
        remark(*option, "without verifyChain stunnel does not verify the peer, and so it is here", Effect::harmless);
    }
    if (folder_of_ca_ != nullptr && std::ranges::find(trust_, folder_of_ca_) == trust_.end()) {
        remark(*folder_of_ca_, "nothing is verified", Effect::harmless);
    }
    if (require_ != nullptr) {
        remark(*require_, "clients are asked for a certificate only where it is verified");
    }
    if (!client_) {
        return;
    }
    table_.say(
        "No option has the server's certificate verified, so that anybody on the way can pose as the server: "
        "set ca and server_name, and strike the next line");
    table_.set("verify_peer", "none");
    const std::string name = sni_ != nullptr ? std::string(sni_->value) : name_in_connect();
    if (is_host_name(name)) {
        table_.set("server_name", name);
    }
}

std::string StunnelService::name_in_connect() const {
    return connect_.empty() || connect_.front().starts_with("unix:") ? "" : host_of(connect_.front());
}

void StunnelService::finish_server_name() {
    const auto first =
        std::ranges::find_if(checks_, [](const StunnelOption* option) { return option->key != "checkemail"; });
    std::string name = sni_ != nullptr ? std::string(sni_->value) : name_in_connect();
    if (first == checks_.end()) {
        remark(*verify_, fmt::format("stunnel takes a certificate with any name; here it must carry {}",
                                     name.empty() ? "server_name" : name));
    } else {
        name = (*first)->value;
        if (sni_ != nullptr && sni_->value != name) {
            remark(*sni_, "the name that is sent is the one that the certificate must carry, server_name");
        }
        checks_.erase(first);
    }
    if (name.empty()) {
        return leave_out("no name is known that the server's certificate must carry: add checkHost");
    }
    table_.set("server_name", name);
}

void StunnelService::finish_checks() {
    std::vector<std::string> rules;
    for (const StunnelOption* option : checks_) {
        if (client_ && option->key != "checkemail") {
            remark(*option, "server_name is one name");
            continue;
        }
        const std::string_view kind = option->key == "checkhost" ? "dns" : option->key == "checkip" ? "ip" : "email";
        rules.push_back(fmt::format("{}:{}", kind, option->value));
    }
    if (!rules.empty()) {
        table_.set("peer_names", rules);
    }
}

}  // namespace keysluice::importer

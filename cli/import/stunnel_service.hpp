#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/stunnel_file.hpp"

namespace keysluice::importer {

/// What stunnel takes for yes.
[[nodiscard]] bool yes(std::string_view value);
/// The host of "[::1]:443" or "127.0.0.1:443".
[[nodiscard]] std::string host_of(const std::string& endpoint);

/// One section. Options are translated in the order in which they stand; what depends on several comes behind them.
class StunnelService {
   public:
    StunnelService(const StunnelSection& section, const StunnelSection& global, const std::string& folder,
                   Surroundings& surroundings);

    /// Whose certificates and routes this section is: "MASTER" of "sni = MASTER:PATTERN".
    [[nodiscard]] std::string master() const;

    /// `more`: what its further names are connected to.
    Result<void> build(const std::string& name, const std::vector<std::string>& more);

    /// As a further certificate and a route of its master.
    Result<void> build_below();

    [[nodiscard]] const std::string& name() const { return section_.name; }
    [[nodiscard]] const std::vector<std::string>& connect() const { return connect_; }
    [[nodiscard]] const std::string& left_out() const { return left_out_; }
    void leave_out(const std::string& why) { left_out_ = left_out_.empty() ? why : left_out_; }
    [[nodiscard]] std::string text() const { return table_.text() + (route_.has("names") ? route_.text() : ""); }

    void add_to(Draft& draft);

    /// Each line as a comment.
    void add_comments_to(Draft& draft) const;

   private:
    using Handler = void (StunnelService::*)(const StunnelOption&);
    struct Row {
        std::string_view key;
        Handler handler;
    };

    void remark(const StunnelOption& option, std::string why, Effect effect = Effect::loss);

    void translate_options();

    /// What a section with "sni = MASTER:PATTERN" may have of its own. "accept" and defaults are not its business.
    static bool is_of_a_name(std::string_view key);

    void take_nothing(const StunnelOption& /*option*/) {}
    void take_accept(const StunnelOption& option);
    void take_connect(const StunnelOption& option);
    void finish_ends(const std::vector<std::string>& more);
    std::string path_of(const StunnelOption& option);
    void take_certificate(const StunnelOption& option);
    Result<void> finish_certificate(Table& table);
    void take_ca(const StunnelOption& option);
    void take_crl(const StunnelOption& option);
    void take_level(const StunnelOption& option);
    void take_verify(const StunnelOption& option);
    void take_require(const StunnelOption& option) { require_ = yes(option.value) ? &option : nullptr; }
    void take_check(const StunnelOption& option);
    void take_sni(const StunnelOption& option);
    void finish_trust();
    void finish_without_trust();

    [[nodiscard]] std::string name_in_connect() const;

    /// The name that the certificate must carry is the one that is sent, here.
    void finish_server_name();

    /// One of them must fit, in stunnel as here.
    void finish_checks();
    void take_version(const StunnelOption& option);
    void take_ssl_option(const StunnelOption& option);
    void finish_versions();
    void take_ciphers(const StunnelOption& option);
    void take_curves(const StunnelOption& option);

    /// why_impossible() has let only this one through.
    void take_protocol(const StunnelOption& /*option*/) { table_.set("send_proxy", "v1"); }
    void take_resume(const StunnelOption& option);
    void take_time(const StunnelOption& option);

    const StunnelSection& section_;
    const std::string& folder_;
    Surroundings& surroundings_;
    std::vector<const StunnelOption*> options_;
    bool client_ = false;
    std::string left_out_;
    Table table_;
    Table route_;

    std::vector<std::string> listen_;
    std::vector<std::string> connect_;
    std::string certificate_;
    std::string key_;
    std::string ca_;
    std::vector<std::string> crl_;
    std::vector<std::string> names_;
    std::vector<const StunnelOption*> trust_;
    std::vector<const StunnelOption*> checks_;
    std::vector<const StunnelOption*> of_master_;
    const StunnelOption* folder_of_ca_ = nullptr;
    const StunnelOption* verify_ = nullptr;
    const StunnelOption* require_ = nullptr;
    const StunnelOption* sni_ = nullptr;
    bool optional_ = false;
    std::string_view least_;
    std::string_view most_;
};

}  // namespace keysluice::importer

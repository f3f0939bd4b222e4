#pragma once

#include <string>
#include <vector>

#include "dbus/dumps.hpp"
#include "dbus/objects.hpp"
#include "org.keysluice1.Manager.adaptor.hpp"

namespace keysluice::bus {

/// org.keysluice1.Manager at /org/keysluice1.
class Manager final : public Exported<org::keysluice1::Manager_adaptor> {
   public:
    static constexpr std::uint32_t kApiVersion = 1;
    /// Of one answer.
    static constexpr std::size_t kMostOctets = 16U << 20U;

    Manager(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries);
    ~Manager() { withdraw(); }

    void put(const control::Setup& setup);
    void tell(const control::Changes& changes);

   private:
    std::string Version() override;
    std::uint32_t ApiVersion() override { return kApiVersion; }
    std::vector<std::string> Features() override { return features_; }
    std::string IkeFailure() override { return clean(ike_failure_); }
    void ListSas(sdbus::Result<SaRows, std::string>&& result, Dictionary filter, std::string cursor,
                 std::uint32_t limit) override;
    void DumpSas(sdbus::Result<sdbus::UnixFd>&& result, Dictionary filter) override;
    void ListTlsSessions(sdbus::Result<TlsSessionRows, std::string, std::uint32_t>&& result, Dictionary filter,
                         std::string cursor, std::uint32_t limit) override;
    void DumpTlsSessions(sdbus::Result<sdbus::UnixFd>&& result, Dictionary filter) override;
    void CloseTlsSession(sdbus::Result<>&& result, std::uint64_t id, Dictionary options) override;
    void GetSaCounters(sdbus::Result<CountersRows>&& result, std::uint64_t ike_spi) override;
    void Up(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Down(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Rekey(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Reauthenticate(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Reload(sdbus::Result<std::uint32_t>&& result, Dictionary options) override;

    void AddConnection(sdbus::Result<std::uint32_t>&& result, std::string toml, Dictionary options) override;
    void UpdateConnection(sdbus::Result<std::uint32_t>&& result, std::string name, std::string toml,
                          Dictionary options) override;
    void RemoveConnection(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;

    void ask_tls_sessions(const std::string& caller, const control::TlsFilter& filter, std::uint64_t after,
                          std::size_t limit,
                          std::move_only_function<void(const Result<control::TlsSessionPage>&)> then);
    void command(control::Command::Verb verb, sdbus::Result<std::uint32_t>&& result, std::string name,
                 Dictionary options);

    Commands& commands_;
    Inquiries& inquiries_;
    std::vector<std::string> features_;
    std::string ike_failure_;
    Dumps dumps_;
};

}  // namespace keysluice::bus

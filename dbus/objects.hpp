#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/front_desk.hpp"
#include "dbus/commands.hpp"
#include "dbus/compat.hpp"
#include "dbus/rows.hpp"
#include "org.keysluice1.Connection.adaptor.hpp"
#include "org.keysluice1.IkeSa.adaptor.hpp"
#include "org.keysluice1.TlsService.adaptor.hpp"

namespace keysluice::bus {

inline constexpr const char* kRoot = "/org/keysluice1";

/// A name as one element of an object's path, as sd_bus_path_encode(3) has it.
[[nodiscard]] std::string path_element(std::string_view name);
[[nodiscard]] std::string path_of(ike::IkeSpi spi);

/// An object that is on the bus as long as it exists. `announce`: who watches the ObjectManager hears of it, of its
/// coming and of its going.
template <typename Adaptor>
class Exported : public sdbus::AdaptorInterfaces<Adaptor> {
   public:
    Exported(const Exported&) = delete;
    Exported& operator=(const Exported&) = delete;
    void announce() {
        sending([this] { this->getObject().emitInterfacesAddedSignal(); });
        announced_ = true;
    }

   protected:
    Exported(sdbus::IConnection& connection, const std::string& path)
        : sdbus::AdaptorInterfaces<Adaptor>(connection, sdbus::ObjectPath{path}) {}
    ~Exported() = default;

    void withdraw() {
        if (announced_) {
            sending([this] { this->getObject().emitInterfacesRemovedSignal(); });
        }
        this->unregisterAdaptor();
    }
    [[nodiscard]] Commands::Call call(Dictionary options) {
        return {.sender = sender_of(this->getObject()), .options = std::move(options)};
    }

   private:
    bool announced_ = false;
};

/// Answers GetSaCounters, and GetCounters of an IKE SA.
void answer_counters(Inquiries& inquiries, const std::string& caller, ike::IkeSpi spi,
                     sdbus::Result<CountersRows>&& result);

class ConnectionObject final : public Exported<org::keysluice1::Connection_adaptor> {
   public:
    ConnectionObject(sdbus::IConnection& connection, Commands& commands, control::ConnectionView view);
    ~ConnectionObject() { withdraw(); }

    /// Another gateway is in use.
    void update(const std::string& gateway);
    [[nodiscard]] const control::ConnectionView& view() const { return view_; }

   private:
    std::string Name() override { return view_.name; }
    std::vector<std::string> Groups() override { return view_.groups; }
    std::string Local() override { return view_.local; }
    std::string Remote() override { return view_.remote; }
    std::string LocalId() override { return clean(view_.local_id); }
    std::string RemoteId() override { return clean(view_.remote_id); }
    std::string Auth() override { return view_.auth; }
    std::string RemoteAuth() override { return view_.remote_auth; }
    std::string Start() override { return view_.start; }
    std::string Interface() override { return view_.interface; }
    std::vector<std::string> Children() override { return view_.children; }
    std::vector<RefusedRow> Refused() override { return to_rows(view_.refused); }
    std::vector<std::string> Gateways() override { return view_.gateways; }
    std::string Gateway() override { return view_.gateway; }
    void Up(sdbus::Result<>&& result, Dictionary options) override;
    void Down(sdbus::Result<std::uint32_t>&& result, Dictionary options) override;
    void Rekey(sdbus::Result<std::uint32_t>&& result, Dictionary options) override;
    void Reauthenticate(sdbus::Result<std::uint32_t>&& result, Dictionary options) override;
    [[nodiscard]] control::Command command(control::Command::Verb verb) const;

    Commands& commands_;
    control::ConnectionView view_;
};

/// org.keysluice1.TlsService.GetCounters
using CounterValues = std::map<std::string, std::uint64_t>;

class TlsServiceObject final : public Exported<org::keysluice1::TlsService_adaptor> {
   public:
    TlsServiceObject(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries,
                     control::ServiceView view);
    ~TlsServiceObject() { withdraw(); }

    void update(bool open);
    [[nodiscard]] const TlsService& settings() const { return service_; }

   private:
    std::string Name() override { return service_.name; }
    std::vector<std::string> Groups() override { return service_.groups; }
    bool Open() override { return open_; }
    std::string Mode() override { return std::string(to_string(service_.mode)); }
    std::vector<std::string> Listen() override { return texts(service_.listen); }
    std::vector<std::string> Connect() override { return texts(service_.connect); }
    std::string ServerName() override { return service_.server_name; }
    std::string ClientCertificate() override { return std::string(to_string(service_.client_certificate)); }
    std::string MinVersion() override { return std::string(to_string(service_.min_version)); }
    std::string VerifyPeer() override { return std::string(to_string(service_.verify_peer)); }
    std::string MaxVersion() override { return std::string(to_string(service_.max_version)); }
    std::vector<std::string> Ciphers() override { return service_.ciphers; }
    std::vector<std::string> Ciphersuites() override { return service_.ciphersuites; }
    std::vector<std::string> KeyExchangeGroups() override { return service_.key_exchange_groups; }
    std::string PlaintextRemote() override { return std::string(to_string(service_.plaintext_remote)); }
    std::string SendProxy() override { return std::string(to_string(service_.send_proxy)); }
    std::string AcceptProxy() override { return std::string(to_string(service_.accept_proxy)); }
    std::string OffloadRequested() override { return std::string(to_string(service_.offload)); }
    void GetCounters(sdbus::Result<CounterValues, std::uint32_t>&& result) override;
    void Up(sdbus::Result<>&& result, Dictionary options) override;
    void Down(sdbus::Result<std::uint32_t>&& result, Dictionary options) override;
    [[nodiscard]] control::Command command(control::Command::Verb verb) const;
    [[nodiscard]] static std::vector<std::string> texts(const std::vector<Endpoint>& endpoints);

    Commands& commands_;
    Inquiries& inquiries_;
    TlsService service_;
    bool open_;
};

class IkeSaObject final : public Exported<org::keysluice1::IkeSa_adaptor> {
   public:
    IkeSaObject(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries, control::IkeSaView view);
    ~IkeSaObject() { withdraw(); }

    void update(control::IkeSaView view) { view_ = std::move(view); }

   private:
    std::uint64_t Spi() override { return view_.own.value; }
    std::uint64_t PeerSpi() override { return peer_spi(view_); }
    std::string Connection() override { return view_.connection; }
    bool Initiator() override { return view_.initiator; }
    std::string State() override { return std::string(view_.state); }
    std::string Local() override { return view_.local.text(); }
    std::string Remote() override { return view_.remote.text(); }
    std::string LocalId() override { return clean(view_.local_id); }
    std::string RemoteId() override { return clean(view_.remote_id); }
    std::string Suite() override { return control::suite_text(view_); }
    std::uint64_t Established() override { return microseconds(view_.established_at); }
    std::uint64_t RekeyDue() override { return microseconds(view_.rekey_at); }
    std::vector<std::string> VirtualAddresses() override { return control::texts(view_.given.addresses); }
    std::vector<std::string> AssignedAddresses() override { return control::texts(view_.assigned.addresses); }
    std::vector<std::string> Dns() override { return control::texts(view_.given.dns); }
    std::vector<std::string> Domains() override { return view_.given.domains; }
    std::string Interface() override { return view_.interface; }
    ChildRows Children() override { return to_rows(view_.children); }
    void GetCounters(sdbus::Result<CountersRows>&& result) override;
    void Down(sdbus::Result<>&& result, Dictionary options) override;
    void Rekey(sdbus::Result<>&& result, Dictionary options) override;
    void Reauthenticate(sdbus::Result<>&& result, Dictionary options) override;

    Commands& commands_;
    Inquiries& inquiries_;
    control::IkeSaView view_;
};

}  // namespace keysluice::bus

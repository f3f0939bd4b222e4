#pragma once

#include <list>
#include <string>
#include <vector>

#include "dbus/dump_file.hpp"
#include "dbus/objects.hpp"
#include "org.keysluice1.Manager.adaptor.hpp"

namespace keysluice::bus {

/// org.keysluice1.Manager at /org/keysluice1.
class Manager final : public Exported<org::keysluice1::Manager_adaptor> {
   public:
    static constexpr std::uint32_t kApiVersion = 1;
    static constexpr std::size_t kMostDumps = 4;
    /// Of one answer.
    static constexpr std::size_t kMostOctets = 16U << 20U;

    Manager(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries);
    ~Manager() { withdraw(); }

    void put(const control::Setup& setup);
    void tell(const control::Changes& changes);

   private:
    /// A dump that is being written.
    struct Dump {
        sdbus::Result<sdbus::UnixFd> result;
        control::SaFilter filter;
        DumpFile file;
        std::list<Dump>::iterator self;
    };

    std::string Version() override;
    std::uint32_t ApiVersion() override { return kApiVersion; }
    std::vector<std::string> Features() override { return features_; }
    std::string IkeFailure() override { return clean(ike_failure_); }
    void ListSas(sdbus::Result<SaRows, std::string>&& result, Dictionary filter, std::string cursor,
                 std::uint32_t limit) override;
    void DumpSas(sdbus::Result<sdbus::UnixFd>&& result, Dictionary filter) override;
    void GetSaCounters(sdbus::Result<CountersRows>&& result, std::uint64_t ike_spi) override;
    void Up(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Down(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Rekey(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;
    void Reload(sdbus::Result<std::uint32_t>&& result, Dictionary options) override;

    void AddConnection(sdbus::Result<std::uint32_t>&& result, std::string toml, Dictionary options) override;
    void UpdateConnection(sdbus::Result<std::uint32_t>&& result, std::string name, std::string toml,
                          Dictionary options) override;
    void RemoveConnection(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) override;

    void command(control::Command::Verb verb, sdbus::Result<std::uint32_t>&& result, std::string name,
                 Dictionary options);
    void write_page(Dump& dump, ike::IkeSpi after);
    void on_page(Dump& dump, const control::SaPage& page);

    Commands& commands_;
    Inquiries& inquiries_;
    std::vector<std::string> features_;
    std::string ike_failure_;
    std::list<Dump> dumps_;
};

}  // namespace keysluice::bus

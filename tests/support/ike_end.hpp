#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "crypto/openssl.hpp"
#include "ike/endpoint.hpp"
#include "tests/support/fake_kernel.hpp"
#include "tls/eap_handshake.hpp"

namespace keysluice::ike::testing {

/// Random bytes that repeat for the same seed.
class SeededRandom final : public Random {
   public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
    void fill(MutableBytes out) override;

    /// Not 0: what SPIs of CHILD SAs are made of is one of so many numbers.
    std::uint32_t few = 0;

   private:
    std::uint64_t state_;
};

/// One host: an Endpoint, its kernel, and what it reported.
class End {
   public:
    End(std::string name, const char* address, Settings settings, std::uint64_t seed);

    std::string name;
    UdpEndpoint address;
    Settings settings;
    SeededRandom random;
    std::unique_ptr<Endpoint> endpoint;
    std::vector<ConnectionPtr> connections;
    FakeKernel kernel;
    std::vector<Report> reports;
    /// Private keys, by the name that Sign has for them.
    std::map<crypto::Sha256, std::shared_ptr<EVP_PKEY>> signing_keys;
    /// Handshakes of EAP-TLS, and the process that began each: no other one finds it again.
    struct Handshake {
        tls::EapHandshake tls;
        std::uint32_t epoch;
    };
    std::map<IkeSpi, Handshake> handshakes;
    std::set<IpAddress> unreachable;  ///< by what the host's routes say
    std::optional<Traffic> traffic;   ///< what the kernel says when it is asked to count; nothing: it can't
    bool holds_errands = false;       ///< Sign, VerifyPeer and ExchangeKeys stay in `errands`, unanswered
    std::vector<Action> errands;
    bool holds_installs = false;  ///< what the kernel says to InstallChild does not come back
    bool holds_outbound = false;  ///< InstallOutbound does not come to the kernel

    void configure(ConnectionPtr connection);
    /// What an engine, a thread or the routes would say to Sign, VerifyPeer, AnswerTls, ExchangeKeys or FindPaths.
    [[nodiscard]] Event answer(const Action& errand);
    /// Another process takes over, from what the one before has written.
    void rewrite();
    [[nodiscard]] std::size_t count(Report::Kind kind) const;
    [[nodiscard]] std::string last_reason() const;
    /// The one IKE SA that is not dead, or null where there is none or more than one.
    [[nodiscard]] const Sa* sa() const;
    /// "established closing": of all SAs.
    [[nodiscard]] std::string states() const;
    [[nodiscard]] std::size_t standing() const;
    /// CHILD SAs that carry traffic both ways.
    [[nodiscard]] std::size_t installed() const;

   private:
    [[nodiscard]] TlsAnswered hear(const AnswerTls& job);
};

}  // namespace keysluice::ike::testing

#include "cli/import/ipsec_parameters.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace keysluice::importer {
namespace {

constexpr Effect kHarmless = Effect::harmless;
constexpr Effect kLoss = Effect::loss;

constexpr auto kParameters = std::to_array<Known>({
    {"aggressive", "", kHarmless, "says something of IKEv1 alone"},
    {"aggrmode", "", kHarmless, "says something of IKEv1 alone"},
    {"auth", "esp", kHarmless, "as here"},
    {"auth", "", kLoss, "CHILD SAs are ESP"},
    {"authenticateby", "", kLoss, "set auth and remote_auth"},
    {"clientaddrfamily", "", kHarmless, "addresses say their family"},
    {"hostaddrfamily", "", kHarmless, "addresses say their family"},
    {"connaddrfamily", "", kHarmless, "addresses say their family"},
    {"compress", "no", kHarmless, "as here"},
    {"compress", "", kLoss, "packets are not compressed"},
    {"dpdtimeout", "", kHarmless, "a silent peer is given up after the retransmissions, set in [ike]"},
    {"encapsulation", "auto|no", kHarmless, "ESP travels in UDP only where there is a NAT"},
    {"encapsulation", "", kLoss, "ESP travels in UDP only where there is a NAT"},
    {"forceencaps", "no", kHarmless, "ESP travels in UDP only where there is a NAT"},
    {"forceencaps", "", kLoss, "ESP travels in UDP only where there is a NAT"},
    {"fragmentation", "yes|force|accept", kHarmless, "fragments are used with a peer that knows them"},
    {"fragmentation", "", kLoss, "fragments are used with a peer that knows them"},
    {"ike_frag", "", kHarmless, "fragments are used with a peer that knows them"},
    {"failureshunt", "none|drop", kHarmless, "without an SA nothing passes"},
    {"failureshunt", "", kLoss, "without an SA nothing passes"},
    {"negotiationshunt", "hold|drop", kHarmless, "without an SA nothing passes"},
    {"negotiationshunt", "", kLoss, "without an SA nothing passes"},
    {"inactivity", "", kLoss, "CHILD SAs that are idle stay"},
    {"installpolicy", "yes", kHarmless, "as here"},
    {"installpolicy", "", kLoss, "policies are always installed"},
    {"keyingtries", "", kHarmless, "a connection that is to be up is tried again for ever"},
    {"rekeymargin", "", kHarmless, "taken off the lifetimes, for rekey_time"},
    {"margintime", "", kHarmless, "taken off the lifetimes, for rekey_time"},
    {"rekeyfuzz", "", kHarmless, "rekeying comes up to a tenth earlier"},
    {"rekey", "yes", kHarmless, "as here"},
    {"rekey", "", kLoss, "SAs are rekeyed at rekey_time, whoever has begun"},
    {"reauth", "no", kHarmless, "as here"},
    {"reauth", "", kHarmless, "reauth_time is the time of ikelifetime"},
    {"pfs", "", kLoss, "groups in esp say whether keys are exchanged anew when CHILD SAs are rekeyed"},
    {"pfsgroup", "", kLoss, "groups in esp say whether keys are exchanged anew when CHILD SAs are rekeyed"},
    {"phase2", "esp", kHarmless, "as here"},
    {"mobike", "", kHarmless, "as here"},
    {"modeconfig", "", kHarmless, "says something of IKEv1 alone"},
    {"modecfgpull", "", kHarmless, "says something of IKEv1 alone"},
    {"nat-ikev1-method", "", kHarmless, "says something of IKEv1 alone"},
    {"sha2-truncbug", "no", kHarmless, "as here"},
    {"sha2-truncbug", "", kLoss, "HMAC-SHA-256 is cut to 128 bits, as RFC 4868 has it"},
    {"sha2_truncbug", "no", kHarmless, "as here"},
    {"sha2_truncbug", "", kLoss, "HMAC-SHA-256 is cut to 128 bits, as RFC 4868 has it"},
    {"initial-contact", "", kHarmless, "INITIAL_CONTACT is sent where it holds"},
    {"retransmit-timeout", "", kLoss, "retransmit_timeout and retransmit_tries in [ike] hold for all connections"},
    {"retransmit-interval", "", kLoss, "retransmit_timeout and retransmit_tries in [ike] hold for all connections"},
    {"nic-offload", "no", kHarmless, "see offload of a child"},
    {"nic-offload", "", kLoss, "see offload of a child"},
    {"mark", "", kLoss, "there are no marks"},
    {"mark_in", "", kLoss, "there are no marks"},
    {"mark_out", "", kLoss, "there are no marks"},
    {"reqid", "", kLoss, "keysluice chooses the reqid"},
    {"replay_window", "", kLoss, "keysluice chooses the window"},
    {"tfc", "", kLoss, "packets are not padded"},
    {"xauth", "", kHarmless, "says something of IKEv1 alone"},
    {"xauthby", "", kHarmless, "says something of IKEv1 alone"},
    {"aaa_identity", "", kLoss, "the gateway has the identity in remote_id"},
});

constexpr auto kEndParameters = std::to_array<Known>({
    {"nexthop", "", kHarmless, "the kernel's routes say it"},
    {"sendcert", "always|yes|ifasked", kHarmless, "our certificate is sent"},
    {"sendcert", "", kLoss, "our certificate is sent"},
    {"rsasigkey", "%cert", kHarmless, "certificates have the keys"},
    {"dns", "", kHarmless, "a gateway says its resolvers with the addresses, and a pool has its own"},
    {"updown", "", kLoss, "no program is called: keysluice monitor --json tells one what happens"},
    {"firewall", "no", kHarmless, "as here"},
    {"firewall", "", kLoss, "firewalls are left alone"},
    {"hostaccess", "", kHarmless, "says something on firewalls alone"},
    {"allowany", "", kLoss, "the peer has the address in remote"},
    {"ikeport", "500", kHarmless, "so it is anyway"},
    {"ikeport", "", kLoss, "port and nat_port in [ike] hold for all connections"},
    {"ca", "%same", kHarmless, "certificates are those that ca's authorities have signed"},
    {"ca", "", kLoss, "each authority in ca is welcome"},
    {"groups", "", kLoss, "groups in attribute certificates are not looked at"},
    {"certpolicy", "", kLoss, "policies in certificates are not looked at"},
    {"auth2", "", kLoss, "there is one round of authentication"},
    {"id2", "", kLoss, "there is one round of authentication"},
    {"cert2", "", kLoss, "there is one round of authentication"},
    {"ca2", "", kLoss, "there is one round of authentication"},
});

constexpr auto kSetup = std::to_array<Known>({
    {"protostack", "", kHarmless, "the kernel's XFRM it is"},
    {"logfile", "", kHarmless, "the journal has the log"},
    {"logappend", "", kHarmless, "the journal has the log"},
    {"logtime", "", kHarmless, "the journal has the log"},
    {"logip", "", kHarmless, "the journal has the log"},
    {"audit-log", "", kHarmless, "the journal has the log"},
    {"plutodebug", "", kHarmless, "log_level in [daemon] says what is logged"},
    {"charondebug", "", kHarmless, "log_level in [daemon] says what is logged"},
    {"klipsdebug", "", kHarmless, "log_level in [daemon] says what is logged"},
    {"plutostderrlog", "", kHarmless, "the journal has the log"},
    {"dumpdir", "", kHarmless, "systemd has core dumps"},
    {"nssdir", "", kHarmless, "certificates are files"},
    {"ipsecdir", "", kHarmless, "files are named where they are used"},
    {"secretsfile", "", kHarmless, "ipsec.secrets beside this file is read"},
    {"uniqueids", "no|never", kHarmless, "a peer may have several IKE SAs"},
    {"uniqueids", "", kHarmless, "a peer ends its older IKE SAs itself, by INITIAL_CONTACT"},
    {"cachecrls", "", kHarmless, "crl are files"},
    {"strictcrlpolicy", "no", kHarmless, "as here"},
    {"strictcrlpolicy", "", kLoss, "set crl: then a current list is demanded; it is fetched by something else"},
    {"crl-strict", "no", kHarmless, "as here"},
    {"crl-strict", "", kLoss, "set crl: then a current list is demanded; it is fetched by something else"},
    {"ocsp-enable", "no", kHarmless, "as here"},
    {"virtual-private", "", kHarmless, "says more on vhost: alone, which is not there"},
    {"virtual_private", "", kHarmless, "says more on vhost: alone, which is not there"},
    {"nat_traversal", "", kHarmless, "a NAT is found by itself"},
    {"oe", "off|no", kHarmless, "as here"},
    {"myid", "", kHarmless, "local_id of each connection says it"},
    {"nhelpers", "", kHarmless, "engines in [daemon] says how many there are"},
    {"plutofork", "", kHarmless, "systemd runs the processes"},
    {"charonstart", "", kHarmless, "systemd runs the processes"},
    {"plutostart", "", kHarmless, "systemd runs the processes"},
    {"seedbits", "", kHarmless, "the kernel has randomness"},
    {"secctx-attr-type", "", kHarmless, "says something on labels alone"},
});

constexpr auto kWords = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"sha2", "sha256"},
    {"sha2_256", "sha256"},
    {"sha2_384", "sha384"},
    {"sha2_512", "sha512"},
    {"hmac_sha1", "sha1"},
    {"aes_gcm", "aes256gcm16-aes128gcm16"},
    {"aes_gcm128", "aes128gcm16"},
    {"aes_gcm256", "aes256gcm16"},
    {"aes_gcm_128", "aes128gcm16"},
    {"aes_gcm_256", "aes256gcm16"},
    {"aes_gcm_c", "aes256gcm16-aes128gcm16"},
    {"aes_gcm_c_128", "aes128gcm16"},
    {"aes_gcm_c_256", "aes256gcm16"},
    {"aes_gcm16", "aes256gcm16-aes128gcm16"},
    {"aes_cbc", "aes128"},
    {"aes_cbc128", "aes128"},
    {"aes_cbc256", "aes256"},
    {"chacha20_poly1305", "chacha20poly1305"},
    {"3des_cbc", "3des"},
    {"dh2", "modp1024"},
    {"dh5", "modp1536"},
    {"dh14", "modp2048"},
    {"dh15", "modp3072"},
    {"dh16", "modp4096"},
    {"dh19", "ecp256"},
    {"dh20", "ecp384"},
    {"dh21", "ecp521"},
    {"dh31", "x25519"},
    {"dh32", "x448"},
});

}  // namespace

std::span<const Known> ipsec_parameters() {
    return kParameters;
}

std::span<const Known> ipsec_end_parameters() {
    return kEndParameters;
}

std::span<const Known> ipsec_setup_parameters() {
    return kSetup;
}

std::vector<std::string> proposals_of(std::string_view value) {
    std::vector<std::string> found;
    while (value.ends_with('!')) {  // strongSwan: nothing but these, as it is here
        value.remove_suffix(1);
    }
    for (const std::string_view proposal : pieces(value, ',')) {
        std::string small = lower(proposal);
        std::ranges::replace_if(small, [](char c) { return c == ';' || c == '+'; }, '-');
        std::string text;
        for (const std::string_view word : pieces(small, '-')) {
            const auto* const known = std::ranges::find(kWords, word, [](const auto& each) { return each.first; });
            text += text.empty() ? "" : "-";
            text += known == kWords.end() ? word : known->second;
        }
        found.push_back(std::move(text));
    }
    return found;
}

}  // namespace keysluice::importer

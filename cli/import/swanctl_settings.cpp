#include "cli/import/swanctl_settings.hpp"

#include <array>

namespace keysluice::importer {
namespace {

constexpr Effect kHarmless = Effect::harmless;
constexpr Effect kLoss = Effect::loss;

constexpr auto kConnectionSettings = std::to_array<Known>({
    {"version", "0|2", kHarmless, kOnlyIkev2},
    {"aggressive", "", kHarmless, "says something of IKEv1 alone"},
    {"pull", "", kHarmless, "says something of IKEv1 alone"},
    {"dpd_timeout", "", kHarmless, "says something of IKEv1 alone"},
    {"local_port", "500", kHarmless, "so it is anyway"},
    {"local_port", "", kLoss, "port and nat_port in [ike] hold for all connections"},
    {"remote_port", "500", kHarmless, "so it is anyway"},
    {"remote_port", "", kLoss, "port and nat_port in [ike] hold for all connections"},
    {"dscp", "", kLoss, "IKE's packets can't be marked"},
    {"encap", "no", kHarmless, "as here"},
    {"encap", "", kLoss, "ESP travels in UDP only where there is a NAT"},
    {"mobike", "", kHarmless, "as here"},
    {"fragmentation", "yes|force|accept", kHarmless, "fragments are used with a peer that knows them"},
    {"fragmentation", "", kLoss, "fragments are used with a peer that knows them"},
    {"childless", "allow|never", kHarmless, "the first CHILD SA comes with the IKE SA"},
    {"childless", "", kLoss, "the first CHILD SA comes with the IKE SA"},
    {"send_certreq", "", kHarmless, "certificates are asked for where they are needed"},
    {"send_cert", "always|ifasked", kHarmless, "our certificate is sent"},
    {"send_cert", "", kLoss, "our certificate is sent"},
    {"ppk_id", "", kLoss, "post-quantum pre-shared keys (RFC 8784) are not there"},
    {"ppk_required", "no", kHarmless, "as here"},
    {"ppk_required", "", kLoss, "post-quantum pre-shared keys (RFC 8784) are not there"},
    {"keyingtries", "", kHarmless, "a connection that is to be up is tried again for ever"},
    {"unique", "no|never", kHarmless, "a peer may have several IKE SAs"},
    {"unique", "", kLoss, "a peer ends its older IKE SAs itself, by INITIAL_CONTACT"},
    {"over_time", "", kHarmless, "an IKE SA that can't be rekeyed or authenticated anew ends by itself"},
    {"rand_time", "", kHarmless, "rekeying comes up to a tenth earlier"},
    {"mediation", "no", kHarmless, "as here"},
    {"mediation", "", kLoss, "mediation is not there"},
    {"mediated_by", "", kLoss, "mediation is not there"},
    {"mediation_peer", "", kLoss, "mediation is not there"},
});

constexpr auto kAuthSettings = std::to_array<Known>({
    {"round", "", kHarmless, "there is one round"},
    {"eap_id", "", kHarmless, "the peer says it"},
    {"aaa_id", "", kLoss, kNoEap},
    {"xauth_id", "", kLoss, kNoEap},
    {"pubkeys", "", kLoss, "keys without certificates are not there"},
    {"groups", "", kLoss, "groups in attribute certificates are not looked at"},
    {"cert_policy", "", kLoss, "policies in certificates are not looked at"},
    {"ca_id", "", kLoss, "each authority in ca is welcome"},
    {"revocation", "relaxed", kHarmless, "as here"},
    {"revocation", "", kLoss, "set crl: then a current list is demanded; it is fetched by something else"},
});

constexpr auto kChildSettings = std::to_array<Known>({
    {"ah_proposals", "", kLoss, "CHILD SAs are ESP"},
    {"sha256_96", "no", kHarmless, "as here"},
    {"sha256_96", "", kLoss, "HMAC-SHA-256 is cut to 128 bits, as RFC 4868 has it"},
    {"life_time", "", kHarmless, "the kernel deletes an SA after twice its rekey_time"},
    {"rand_time", "", kHarmless, "rekeying comes up to a tenth earlier"},
    {"life_bytes", "", kHarmless, "the kernel deletes an SA after twice its rekey_bytes"},
    {"rand_bytes", "", kHarmless, "rekeying comes up to a tenth earlier"},
    {"life_packets", "", kHarmless, "the kernel deletes an SA after twice its rekey_packets"},
    {"rand_packets", "", kHarmless, "rekeying comes up to a tenth earlier"},
    {"updown", "", kLoss, "no program is called: keysluice monitor --json tells one what happens"},
    {"hostaccess", "", kHarmless, "says something to updown alone"},
    {"policies", "yes", kHarmless, "as here"},
    {"policies", "", kLoss, "policies are always installed"},
    {"policies_fwd_out", "no", kHarmless, "as here"},
    {"policies_fwd_out", "", kLoss, "there are no such policies"},
    {"ipcomp", "no", kHarmless, "as here"},
    {"ipcomp", "", kLoss, "packets are not compressed"},
    {"inactivity", "0|0s", kHarmless, "as here"},
    {"inactivity", "", kLoss, "CHILD SAs that are idle stay"},
    {"reqid", "0", kHarmless, "as here"},
    {"reqid", "", kLoss, "keysluice chooses the reqid"},
    {"priority", "0", kHarmless, "as here"},
    {"priority", "", kLoss, "keysluice chooses the priorities"},
    {"interface", "", kLoss, "policies hold on all interfaces"},
    {"mark_in", "", kLoss, "there are no marks"},
    {"mark_in_sa", "", kLoss, "there are no marks"},
    {"mark_out", "", kLoss, "there are no marks"},
    {"set_mark_in", "", kLoss, "there are no marks"},
    {"set_mark_out", "", kLoss, "there are no marks"},
    {"label", "", kLoss, "there are no security labels"},
    {"label_mode", "", kHarmless, "says something on label alone"},
    {"tfc_padding", "0", kHarmless, "as here"},
    {"tfc_padding", "", kLoss, "packets are not padded"},
    {"replay_window", "", kLoss, "keysluice chooses the window"},
    {"copy_df", "yes", kHarmless, "as here"},
    {"copy_df", "", kLoss, "the header's bits are copied as the kernel does it"},
    {"copy_ecn", "yes", kHarmless, "as here"},
    {"copy_ecn", "", kLoss, "the header's bits are copied as the kernel does it"},
    {"copy_dscp", "out", kHarmless, "as here"},
    {"copy_dscp", "", kLoss, "the header's bits are copied as the kernel does it"},
});

}  // namespace

std::span<const Known> swanctl_connection_settings() {
    return kConnectionSettings;
}

std::span<const Known> swanctl_authentication_settings() {
    return kAuthSettings;
}

std::span<const Known> swanctl_child_settings() {
    return kChildSettings;
}

}  // namespace keysluice::importer

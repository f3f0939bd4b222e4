#include "base/reasons.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons_of_configuration.hpp"

namespace keysluice {
namespace {

// `tests/reasons` compares this table and the other one with the sources, with the tests and with
// keysluice-reasons(7).
constexpr auto kOthers = std::to_array<Reason>({
    Reason{"address-changed", ReasonArea::ike,
           "Packets of an IKE SA go between other addresses, since this host's addresses or routes have "
           "changed. The SAs are the same (RFC 4555)."},
    Reason{"address-connection-limit", ReasonArea::tls,
           "A client's address (of IPv6 its /64) has as many connections as max_connections_per_address allows. Many "
           "clients may share one address behind a NAT: then raise the limit."},
    Reason{
        "address-gone", ReasonArea::ike,
        "This host has another address than the one at which a peer without MOBIKE knows it, so the IKE SA is over. "
        "One that is to be up begins anew from where the host is now."},
    Reason{"address-handshake-rate-limit", ReasonArea::tls,
           "One client's address (of IPv6 its /64) opened more connections within a second than "
           "max_handshakes_per_second_per_address allows."},
    Reason{"answer-not-offered", ReasonArea::ike,
           "The peer's answer has a proposal, a group or an SPI that our offer does not contain. Its implementation "
           "is at fault; its log and version tell more."},
    Reason{"answer-too-large", ReasonArea::internal,
           "An answer on the bus would have more than 16 MiB. Ask for a smaller page, or for a dump."},
    Reason{"application-gone", ReasonArea::tls,
           "The application that submitted the connection ended before its handshake did, so the connection was "
           "closed."},
    Reason{"application-not-permitted", ReasonArea::tls,
           "A process that is to get sockets, or submits some, runs as a user who is none of application_users. Add "
           "that user, or find out who it is."},
    Reason{"application-unreachable", ReasonArea::tls,
           "No application listens where connect says, or none accepts in time, so the connection was ended. The "
           "sentence says what each of them answered; with a socket's file, the user of the engines must be able to "
           "write to it."},
    Reason{
        "auth-expired", ReasonArea::ike,
        "An IKE SA was closed, because nobody had authenticated anew when reauth_time was over, or the time that the "
        "peer had told (AUTH_LIFETIME). Whoever began the IKE SA is to do so: reauth-failed in its log says why it "
        "did not succeed."},
    Reason{"auth-failed", ReasonArea::ike,
           "The peer proved another pre-shared key than the one that this connection has for it, or its signature is "
           "not that of its certificate. Compare the keys of both ends, line ends included."},
    Reason{"auth-lifetime", ReasonArea::ike,
           "The peer had told for how long our authentication counts, so another IKE SA has come in the place of the "
           "one before. Nothing has to be done."},
    Reason{"auth-method", ReasonArea::ike,
           "The peer authenticates in another way than this connection expects, or signs in a way that is unknown or "
           "not for its key. Give both ends the same auth, or set remote_auth."},
    Reason{"auth-refused", ReasonArea::ike,
           "The peer does not accept us: it knows another key, does not trust our certificate, or expects another "
           "identity than local_id. Its log says which."},
    Reason{"auth-timeout", ReasonArea::ike,
           "A signature of ours, or the check of a peer's certificate, took longer than 15 seconds, so the "
           "negotiation was given up. This machine is overloaded, or its engines are."},
    Reason{"backend-unreachable", ReasonArea::tls,
           "None of the targets in connect answers. The sentence says what each of them said; start the backend, or "
           "correct connect."},
    Reason{"bad-record", ReasonArea::tls,
           "The peer sent something that is not a TLS record of the negotiated version and size, so the connection "
           "was closed. Something on the way may change the bytes."},
    Reason{"bad-record-mac", ReasonArea::tls,
           "A record did not decrypt: it was changed on the way, or the peer uses other keys. The connection was "
           "closed."},
    Reason{"bad-request", ReasonArea::internal,
           "A caller on the bus sent a filter, an option, a cursor or a value that does not exist; the sentence "
           "says what is expected."},
    Reason{"bad-service-message", ReasonArea::internal,
           "A message between keysluice's processes is not as expected: they come from different releases. Restart "
           "all of them."},
    Reason{"bad-tag", ReasonArea::internal,
           "Something encrypted did not authenticate: wrong key, wrong nonce or changed bytes."},
    Reason{"bus-name-refused", ReasonArea::internal,
           "The bus does not give this service its name, org.keysluice1: its policy file is not installed, or "
           "another keysluiced has the name."},
    Reason{"bus-unreachable", ReasonArea::internal,
           "There is no message bus where bus in [daemon] says, or it has gone. Nothing else depends on it, and "
           "it is tried again; bus = \"none\" does without."},
    Reason{"call-failed", ReasonArea::internal,
           "A call on the bus came to nothing, and the answer has no reason code. The sentence is the bus's own: no "
           "answer in time, or a bus or a keysluiced that went meanwhile."},
    Reason{"certificate-chain-long", ReasonArea::ike,
           "A chain has more than 10 certificates, or a peer sent more than 32 KiB of them."},
    Reason{"certificate-encoding", ReasonArea::ike,
           "A peer sent the address of its certificate (hash and URL) or something else in place of an X.509 "
           "certificate. Make it send the certificate itself."},
    Reason{
        "certificate-identity", ReasonArea::ike,
        "A certificate is made out to somebody else than the identity that comes with it: it must stand in it as "
        "an alternative name or, a distinguished name, as the subject. Correct local_id or the peer's identity, or "
        "have the certificate made anew."},
    Reason{"certificate-key-kind", ReasonArea::ike,
           "A certificate has a key that IKE does not use here: expected are RSA, ECDSA on P-256, P-384 or P-521, "
           "Ed25519 and Ed448."},
    Reason{"certificate-purpose", ReasonArea::ike,
           "A certificate's key usage or extended key usage does not let it sign for IKE. Have it made anew with "
           "digitalSignature and, if there is an extended key usage, with ipsecIKE, serverAuth or clientAuth."},
    Reason{"certificate-rejected", ReasonArea::tls,
           "The peer's certificate does not verify against ca, or is for another name than server_name. The sentence "
           "says which."},
    Reason{"certificate-revoked", ReasonArea::ike,
           "A peer's certificate, or that of an authority above it, stands in a revocation list of crl."},
    Reason{
        "certificate-untrusted", ReasonArea::ike,
        "No authority in ca vouches for a peer's certificate: it belongs to another authority, or the peer did not "
        "send the intermediate ones."},
    Reason{"certificate-weak", ReasonArea::ike,
           "A certificate, or one above it, has an RSA key below 2048 bits or is signed with SHA-1. Have it made "
           "anew."},
    Reason{"channel-bind-failed", ReasonArea::internal,
           "A socket in the runtime directory could not be made. Does the directory exist, and may this user write "
           "to it?"},
    Reason{"channel-unreachable", ReasonArea::internal,
           "Another of keysluice's processes does not answer on its socket in the runtime directory. Is it running, "
           "and with the same runtime_directory?"},
    Reason{"child-refused", ReasonArea::ike,
           "The peer refused a CHILD SA with the notification that the sentence names. Compare esp and traffic "
           "selectors of both ends."},
    Reason{
        "child-unknown", ReasonArea::internal,
        "The outbound half of a CHILD SA was to be installed, and its inbound half is not there. Please report it."},
    Reason{
        "child-withdrawn", ReasonArea::ike,
        "The peer made a CHILD SA, its answer was lost on the way, and before it came once more the peer deleted the "
        "CHILD SA. Where it was to replace another one, that one goes on and is rekeyed again. The peer's log says "
        "why."},
    Reason{"cipher-not-in-kernel", ReasonArea::kernel,
           "The connection stays in userspace: the kernel does not know its cipher or protocol version. A newer "
           "kernel, or other ciphers, would change that."},
    Reason{"client-certificate-missing", ReasonArea::tls,
           "The client sent no certificate, and client_certificate = \"require\" demands one."},
    Reason{"close-timeout", ReasonArea::tls,
           "One side has ended, and the other neither sent anything nor ended within close_timeout."},
    Reason{
        "closed-on-request", ReasonArea::tls,
        "An administrator has closed the session, or taken its service down: keysluice down, or CloseTlsSession and "
        "Down on the bus. Both sides were reset."},
    Reason{
        "confinement-failed", ReasonArea::internal,
        "An engine, a relay or a keeper could not renounce capabilities or install its filter of system calls, and "
        "does not serve without. The sentence quotes the kernel; a sandbox around it may forbid seccomp(2)."},
    Reason{"connection-limit", ReasonArea::tls,
           "The service has as many connections as max_connections allows, on all engines and relays together. The "
           "next one that ends makes room; raise the limit if these are clients that you want."},
    Reason{"connection-reset", ReasonArea::tls,
           "The connection to the TLS peer broke: it reset it, or the network lost it."},
    Reason{"cookie2-mismatch", ReasonArea::ike,
           "A peer that said that it is at another address did not prove that it gets packets there, so the "
           "IKE SA was closed (RFC 4555 section 3.7). Its implementation is at fault, or somebody uses its "
           "keys."},
    Reason{"crl-expired", ReasonArea::ike,
           "The revocation list for a peer's certificate is out of date, so the peer was refused. Fetch the "
           "authority's current one into the file of crl."},
    Reason{"crl-missing", ReasonArea::ike,
           "crl has no list of the authority that signed a peer's certificate, so the peer was refused. Add it."},
    Reason{"crypto-unavailable", ReasonArea::internal,
           "OpenSSL does not offer an algorithm. Is its default provider loaded, and does its configuration (FIPS) "
           "allow the algorithm?"},
    Reason{"description-too-large", ReasonArea::tls,
           "What an application is to be told of a connection does not fit into a packet, because the peer's "
           "certificate is very large, so the connection was ended."},
    Reason{"descriptor-not-kept", ReasonArea::internal,
           "The service manager does not keep a descriptor for the next process, so a restart of keysluiced loses "
           "what it stands for. Does the unit have FileDescriptorStoreMax=?"},
    Reason{"descriptors-exhausted", ReasonArea::internal,
           "No file descriptor is left: accepting pauses, or a connection is closed. Raise LimitNOFILE."},
    Reason{"device-lacks-tls", ReasonArea::kernel,
           "The kernel carries the session in software: the network device towards the peer can't do TLS. Another "
           "device may."},
    Reason{
        "device-tls-off", ReasonArea::kernel,
        "The kernel carries the session in software: the network device towards the peer could do TLS, and is told "
        "not to. `ethtool -K DEVICE tls-hw-tx-offload on tls-hw-rx-offload on` changes that for new sessions."},
    Reason{"device-took-none", ReasonArea::kernel,
           "The kernel carries the session in software though the network device towards the peer does TLS: it has "
           "not taken this one, for its cipher or for want of room."},
    Reason{"eap-malformed", ReasonArea::ike,
           "The peer sent a packet of EAP that can't be read, or another one than belonged there. Its implementation "
           "is at fault; its log and version tell more."},
    Reason{
        "eap-method", ReasonArea::ike,
        "The two ends have no method of EAP in common, or the server knows no such user. keysluice has MSCHAPv2 and "
        "TLS."},
    Reason{"eap-password", ReasonArea::ike,
           "A user gave a wrong password by EAP; the peer is not told whether it was the password or the name."},
    Reason{
        "eap-refused", ReasonArea::ike,
        "The server of EAP does not accept our name with our password or our certificate, or the peer does not "
        "accept that we know its password. Compare both ends' passwords; the server's log says what it has against "
        "a certificate."},
    Reason{"eap-rounds", ReasonArea::ike, "EAP goes on for more than 100 rounds, so the negotiation was given up."},
    Reason{"eap-server", ReasonArea::ike,
           "The server of EAP accepts our password and does not know it: it is not the server that we know. Nothing "
           "was sent through it."},
    Reason{
        "eap-timeout", ReasonArea::ike,
        "EAP was not over within 60 seconds, so the negotiation was given up. Does the other end wait for somebody "
        "to type a password?"},
    Reason{
        "eap-tls-failed", ReasonArea::ike,
        "The TLS in EAP-TLS came to nothing: the two ends have no version, cipher or kind of key in common, or what "
        "came is not what was sent. The sentence has OpenSSL's words."},
    Reason{"eap-tls-gone", ReasonArea::ike,
           "The process that had a handshake of EAP-TLS is no more, or another keysluiced took over in the middle of "
           "it. "
           "Whoever keeps the connection up begins anew."},
    Reason{"eap-user", ReasonArea::ike,
           "A peer wants to prove by EAP that it is a user for whom there is no file in eap_password; it is not told "
           "whether it was the password or the name."},
    Reason{"empty-handshake-record", ReasonArea::tls, "The peer sent an empty handshake record, which TLS forbids."},
    Reason{"engine-silent", ReasonArea::internal,
           "An engine or relay did not say within 30 seconds whether it can load a service, so the service stays as "
           "it was. It hangs, or this machine is overloaded; reload again."},
    Reason{"gateway-closed", ReasonArea::ike,
           "One of several gateways has closed the IKE SA, and the connection goes on with the next one."},
    Reason{
        "gateway-lacks-child", ReasonArea::ike,
        "A gateway that stands further in front of the list is there, and does not make a child that the one in use "
        "carries: the connection stays where it is."},
    Reason{
        "gateway-left", ReasonArea::ike,
        "keysluice has closed the IKE SA with one of several gateways, and the connection goes on with the next one. "
        "The log before this says why."},
    Reason{"gateway-returned", ReasonArea::ike,
           "A connection uses a gateway again that stands further in front of its list, as `return` says, or begins "
           "anew "
           "with the first."},
    Reason{"half-open-timeout", ReasonArea::ike,
           "A peer began an IKE SA and did not go on to authenticate. When it happens often: packets to port 4500 or "
           "large ones get lost on the way, or somebody probes."},
    Reason{"handoff-needs-kernel", ReasonArea::kernel,
           "Only a connection that the kernel carries can be given to an application, and it can't carry this one, "
           "or the kernel has no kTLS at all. The sentence says why."},
    Reason{"handshake-failed", ReasonArea::tls,
           "The handshake failed for a reason that has no code of its own; the sentence quotes OpenSSL."},
    Reason{"handshake-rate-limit", ReasonArea::tls,
           "More connections came within a second than max_handshakes_per_second allows. It passes by itself; "
           "`keysluice status` counts how often."},
    Reason{"handshake-timeout", ReasonArea::tls,
           "No complete handshake within handshake_timeout. Clients are slow, or hold connections open without using "
           "them."},
    Reason{"host-not-resolved", ReasonArea::internal,
           "A host name was used before it was looked up. Please report it."},
    Reason{"idle-timeout", ReasonArea::tls,
           "Nothing came or went on a connection for idle_timeout, so keysluice has closed it."},
    Reason{"ike-bad-icv", ReasonArea::ike,
           "A message of IKE did not authenticate and was dropped: it was changed or forged."},
    Reason{"ike-bind-failed", ReasonArea::ike,
           "The UDP ports of IKE could not be bound. Does another IKE daemon run (`ss -lunp`), and is there "
           "CAP_NET_BIND_SERVICE?"},
    Reason{"ike-exchange", ReasonArea::ike,
           "The peer began an exchange that IKEv2 does not have, or that this version does not know."},
    Reason{"ike-group-refused", ReasonArea::ike,
           "The peer wants a key exchange group that this connection does not offer. Add it to proposals, or change "
           "the peer's."},
    Reason{"ike-init-loop", ReasonArea::ike,
           "The peer answers every IKE_SA_INIT with the demand for another one, for a cookie or a group. Its log "
           "tells why."},
    Reason{"ike-init-refused", ReasonArea::ike,
           "The peer refused IKE_SA_INIT with the notification that the sentence names."},
    Reason{"ike-iv-exhausted", ReasonArea::ike,
           "An IKE SA has used up its initialization vectors and was closed. It was not rekeyed in time."},
    Reason{"ike-malformed", ReasonArea::ike,
           "A message of IKE, or a payload in it, is not as RFC 7296 demands; the sentence says where."},
    Reason{"ike-not-running", ReasonArea::ike,
           "Somebody wants something of IKE, and it does not run: no connection is configured, the start failed, "
           "or everything is about to end. The sentence says which."},
    Reason{"ike-payloads", ReasonArea::ike,
           "A message of IKE has a payload too many, too few, or in the wrong place."},
    Reason{"ike-send-failed", ReasonArea::ike,
           "A datagram of IKE could not be sent. The sentence quotes the kernel; look at routes and packet filters."},
    Reason{
        "ike-version", ReasonArea::ike,
        "The peer speaks another version than IKEv2. Configure it for IKEv2; with IKEv1 keysluice never negotiates."},
    Reason{"inet-diag-malformed", ReasonArea::kernel,
           "What the kernel says of a TCP socket can't be understood. The status lacks these figures; nothing else "
           "does."},
    Reason{"interface-in-use", ReasonArea::kernel,
           "An interface of this name exists and is not keysluice's. Remove it, or choose another name."},
    Reason{"interface-not-supported", ReasonArea::kernel,
           "The kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE, module xfrm_interface). Load the module, or "
           "leave out "
           "interface."},
    Reason{
        "interface-refused", ReasonArea::kernel,
        "The kernel refused an XFRM interface, or an address or route of it; the sentence says which, and why. It is "
        "tried again every few seconds."},
    Reason{"iv-length", ReasonArea::internal, "An IV for the kernel has the wrong length. Please report it."},
    Reason{"keeper-busy", ReasonArea::internal,
           "The keeper takes no connection: it is being started, or its relay has no place left. Accepting pauses "
           "until it does."},
    Reason{"kernel-busy", ReasonArea::kernel,
           "More changes of SAs wait for the kernel than the queue holds, so a CHILD SA was refused. A later attempt "
           "brings it up."},
    Reason{"kernel-lacks", ReasonArea::kernel,
           "The kernel lacks an algorithm or a feature of IPsec; the sentence names the option and the module that "
           "bring it."},
    Reason{"kernel-no-rekey", ReasonArea::kernel,
           "The TLS peer of a connection in the kernel changed its keys, or ours were used up (rekey_after, or what "
           "AES bears), and the kernel can't follow (Linux 6.14 can), or the relay was not allowed to keep the "
           "secrets for it (LimitMEMLOCK=): the peer got an internal_error alert. With `offload = \"off\"` a service "
           "follows all changes."},
    Reason{"kernel-without-esp", ReasonArea::kernel,
           "The kernel has no ESP, so IKE does not run; TLS services do. The sentence names option and module."},
    Reason{"kernel-without-ktls", ReasonArea::kernel,
           "The connection stays in userspace because the kernel has no kTLS: `modprobe tls`."},
    Reason{"key-derivation-failed", ReasonArea::internal,
           "OpenSSL could not derive a key. Is its default provider loaded?"},
    Reason{"key-exchange-busy", ReasonArea::ike,
           "More key exchanges in large groups (MODP, P-384, P-521, X448) wait than this machine can be expected to "
           "compute. The peers try again; X25519 or P-256 cost far less."},
    Reason{"key-exchange-failed", ReasonArea::internal,
           "OpenSSL could not compute a Diffie-Hellman value. Is its default provider loaded?"},
    Reason{"key-exchange-refused", ReasonArea::ike,
           "The peer's key exchange value is not a valid one of its group. Its implementation is at fault, or "
           "somebody attacks."},
    Reason{"key-length", ReasonArea::internal, "A key for the kernel has the wrong length. Please report it."},
    Reason{"key-update-flood", ReasonArea::tls,
           "The TLS peer changes its keys again and again and hardly sends data, so the connection was closed."},
    Reason{"keyring-unavailable", ReasonArea::kernel,
           "The kernel's keyring takes no key (CONFIG_KEYS, its quota in /proc/keys, or a filter of system "
           "calls), so IKE SAs do not outlive keysluiced: its restart negotiates them anew."},
    Reason{"keys-in-use", ReasonArea::kernel,
           "The kernel has keys for this direction of a connection already and does not replace them."},
    Reason{
        "keys-unavailable", ReasonArea::kernel,
        "The connection stays in userspace: its handshake has left bytes unsent, or its keys may not leave OpenSSL."},
    Reason{"ktls-attach-failed", ReasonArea::kernel,
           "The kernel refused to take a connection's record layer; the sentence quotes it. The connection stays in "
           "userspace."},
    Reason{"ktls-install-failed", ReasonArea::kernel,
           "The kernel refused a connection's keys; the sentence quotes it."},
    Reason{"ktls-read-back-differs", ReasonArea::kernel,
           "The kernel uses other keys than it was given, so the connection was closed. Please report it with the "
           "kernel's version."},
    Reason{"ktls-read-back-failed", ReasonArea::kernel,
           "The kernel does not tell which keys it uses, so the connection was closed. The sentence quotes it."},
    Reason{"lifetime-over", ReasonArea::tls,
           "A connection lasted as long as connection_lifetime allows, so keysluice has closed it. Clients connect "
           "again."},
    Reason{"loopback-unavailable", ReasonArea::kernel,
           "What the kernel can do could not be tried over the loopback interface. Is lo up?"},
    Reason{"malformed-alert", ReasonArea::tls, "The TLS peer sent an alert that is none."},
    Reason{"malformed-hello-request", ReasonArea::tls, "The TLS peer sent a HelloRequest with a body."},
    Reason{"malformed-key-update", ReasonArea::tls, "The TLS peer sent a KeyUpdate that is none."},
    Reason{"max-fragment-length", ReasonArea::kernel,
           "The connection stays in userspace: its peer asked for short records (RFC 6066), and the kernel writes "
           "long ones."},
    Reason{"memory-file-failed", ReasonArea::internal,
           "Memory that keysluice's processes share could not be made or opened, or is of another release. Look at "
           "memory limits, and restart all processes."},
    Reason{"message-after-key-update", ReasonArea::tls,
           "The TLS peer sent something behind a KeyUpdate in the same record, which TLS forbids."},
    Reason{"message-malformed", ReasonArea::internal,
           "A message between keysluice's processes is not as its kind demands. Are all programs of one version? "
           "Restart all of them."},
    Reason{"mode-refused", ReasonArea::ike,
           "One end wants tunnel mode and the other transport mode. Give both the same mode."},
    Reason{"nat-appeared", ReasonArea::ike,
           "There is a NAT between the ends of an IKE SA, where none was before: ESP is in UDP from now on."},
    Reason{"nat-gone", ReasonArea::ike,
           "There is no NAT any more between the ends of an IKE SA: ESP is no longer in UDP."},
    Reason{"nat-rebound", ReasonArea::ike,
           "A NAT has given the peer another address or port. Traffic to it follows."},
    Reason{
        "netlink-answers-lost", ReasonArea::kernel,
        "Answers of the kernel did not fit into the socket's buffer. When it comes back, raise net.core.rmem_max."},
    Reason{"netlink-busy", ReasonArea::kernel, "The kernel is busy with a change of the same kind. Try again."},
    Reason{"netlink-dump-interrupted", ReasonArea::kernel,
           "What the kernel was listing changed meanwhile, more often than it was asked again."},
    Reason{"netlink-malformed", ReasonArea::kernel,
           "An answer of the kernel can't be understood. Please report it with the kernel's version."},
    Reason{"netlink-not-permitted", ReasonArea::kernel, "The kernel demands CAP_NET_ADMIN for what was asked."},
    Reason{"netlink-not-supported", ReasonArea::kernel,
           "The kernel does not know what was asked for; the sentence says which option or algorithm."},
    Reason{"netlink-receive-failed", ReasonArea::kernel,
           "The kernel's answer could not be received; the sentence quotes it."},
    Reason{"netlink-refused", ReasonArea::kernel,
           "The kernel refused what was asked; the sentence quotes its words."},
    Reason{"netlink-send-failed", ReasonArea::kernel,
           "A request could not be sent to the kernel; nothing of it was carried out."},
    Reason{"netlink-silent", ReasonArea::kernel,
           "The kernel did not answer within two seconds. Is the machine overloaded?"},
    Reason{"netlink-unavailable", ReasonArea::kernel,
           "There is no netlink socket of this kind: a module is missing (xfrm_user, tcp_diag), or a sandbox forbids "
           "it (RestrictAddressFamilies=)."},
    Reason{"no-connection", ReasonArea::ike,
           "A peer asks for a connection that is not configured: none has these addresses and identities. Compare "
           "remote, local_id and remote_id with what the sentence says."},
    Reason{"no-engine", ReasonArea::ike,
           "No engine signed for IKE within ten seconds: none is running, or none can load the private key. The "
           "sentence or an earlier line of the log says which."},
    Reason{"no-extended-master-secret", ReasonArea::tls,
           "The peer offers TLS 1.2 without the extended master secret (RFC 7627). It needs that, or TLS 1.3."},
    Reason{"no-proposal-chosen", ReasonArea::ike,
           "No proposal of one end is acceptable to the other. The sentence has both, and where the nearest two "
           "differ."},
    Reason{"no-route", ReasonArea::ike,
           "There is no way to the peer, so its connection waits for one. Look at the routes."},
    Reason{"no-shared-cipher", ReasonArea::tls,
           "The client and this service have no cipher suite in common; see ciphers."},
    Reason{"no-shared-group", ReasonArea::tls,
           "The client and this service have no group for key exchange in common; see key_exchange_groups."},
    Reason{"no-shared-key", ReasonArea::ike,
           "psk is a directory, and no file in it has the name of the peer's identity."},
    Reason{"no-shared-protocol", ReasonArea::tls,
           "The client speaks none of the application protocols in alpn. It was told so by an alert; add its "
           "protocol if the backend speaks it."},
    Reason{"no-virtual-address", ReasonArea::ike,
           "A peer was to get a virtual address and did not: the gateway has none left or no pools, or the peer asks "
           "for "
           "none where each has to. The sentence, or the gateway's log, says which."},
    Reason{"not-added", ReasonArea::internal,
           "A program wants to change or remove a connection that none has added: what stands in a configuration "
           "file is "
           "changed there, and then reloaded."},
    Reason{"not-connected", ReasonArea::kernel, "The connection was gone before the kernel could take it."},
    Reason{"not-found", ReasonArea::internal,
           "There is no connection, group, child or IKE SA of the name that a command has."},
    Reason{"not-one-record", ReasonArea::internal,
           "A session was fed more than the record that ended its handshake. Please report it."},
    Reason{"not-permitted", ReasonArea::internal,
           "A caller on the bus may not do that: it is for root, for the user of the service, and for whom "
           "polkit permits it."},
    Reason{"not-tcp", ReasonArea::kernel, "The connection stays in userspace: kernel TLS needs TCP."},
    Reason{"not-tls", ReasonArea::tls, "The peer does not speak TLS."},
    Reason{"offload-declined", ReasonArea::kernel,
           "A child asks for offload = \"crypto\" or \"packet\", and no network device does it, or its feature "
           "esp-hw-offload is off: the kernel would do it itself. The CHILD SA is not made; offload = \"auto\" makes "
           "it all the same."},
    Reason{"offload-lost", ReasonArea::kernel,
           "The network device that did a part of ESP for a CHILD SA went down or is gone, and the kernel deleted "
           "the SAs with it: the CHILD SA is rekeyed at once, over another device in software where offload = "
           "\"auto\" allows it, and again when the device is back on the way to the peer. Or the device lost its "
           "feature esp-hw-offload: with offload = \"auto\" the kernel goes on with the same SAs in software until "
           "the feature is on again, and with \"crypto\" or \"packet\" the SAs are taken out, and packets are held "
           "up until then."},
    Reason{"offload-off", ReasonArea::kernel,
           "The connection is in userspace because its service says offload = \"off\"."},
    Reason{
        "offload-refused", ReasonArea::kernel,
        "A child asks for offload = \"crypto\" or \"packet\", and the kernel or the device's driver refuses the SA. "
        "The sentence has the kernel's words; another algorithm may help, or offload = \"auto\"."},
    Reason{
        "offload-required", ReasonArea::kernel,
        "The service says offload = \"require\", and the kernel can't carry the connection; the sentence says why."},
    Reason{"open-failed", ReasonArea::internal,
           "OpenSSL could not decrypt something. Is the provider that has the cipher loaded?"},
    Reason{"password-needed", ReasonArea::internal,
           "polkit would permit that to who gives a password, and the caller did not allow it to ask: the option "
           "interactive does."},
    Reason{"path-lost", ReasonArea::ike,
           "The peer did not answer by the addresses that were in use, or there is no way between them any "
           "more, so packets go between others (RFC 4555)."},
    Reason{"path-refused", ReasonArea::ike,
           "The peer does not accept the addresses between which packets are to go "
           "(UNACCEPTABLE_ADDRESSES). Another way is tried; without one, the IKE SA is closed. The peer's "
           "configuration says what it accepts."},
    Reason{"path-unacceptable", ReasonArea::ike,
           "A peer wants to send to another address of this host than the one to which local binds the "
           "connection, and goes on by the old one. With local = \"any\" it may."},
    Reason{"peer-alert", ReasonArea::tls,
           "The TLS peer ended the connection with an alert, which the sentence names."},
    Reason{"peer-asked", ReasonArea::ike,
           "Packets of an IKE SA go between other addresses, since the peer said so (RFC 4555)."},
    Reason{"peer-busy", ReasonArea::ike,
           "The peer answered everything with TEMPORARY_FAILURE for minutes, so the IKE SA was closed: its state is "
           "another than ours."},
    Reason{
        "peer-closed", ReasonArea::tls,
        "The peer closed the connection before the handshake was complete, as health checks and port scanners do."},
    Reason{"peer-identity", ReasonArea::ike,
           "The peer has another identity than remote_id demands. Correct remote_id, or the identity at the peer."},
    Reason{"peer-invalid-syntax", ReasonArea::ike,
           "The peer can't read our message and gave the IKE SA up. Its log says why; please report it."},
    Reason{"peer-not-welcome", ReasonArea::tls,
           "The peer's certificate is verified, and the service takes others only: peer_subjects, peer_names and "
           "peer_keys say which."},
    Reason{"peer-silent", ReasonArea::ike,
           "The peer does not answer. Is it there, and do packets pass between the UDP ports (500, 4500) of both?"},
    Reason{"plain-http", ReasonArea::tls, "The peer spoke plain HTTP to a TLS port. It should use https://."},
    Reason{"plain-side-reset", ReasonArea::tls,
           "The plaintext side broke before it ended, so the TLS side was reset as well. The backend's log may tell "
           "why."},
    Reason{"plaintext-pending", ReasonArea::kernel,
           "The connection stays in userspace: OpenSSL has read or written application data already."},
    Reason{"plaintext-relayed", ReasonArea::tls,
           "The client does not speak TLS, and plaintext = \"relay\" lets it pass: nothing of this connection is "
           "encrypted."},
    Reason{"proxy-header-malformed", ReasonArea::tls,
           "A PROXY header is not as its protocol says; the sentence tells what is wrong. The connection was closed: "
           "the "
           "proxy in front is at fault, or somebody pretends to be one."},
    Reason{"proxy-header-missing", ReasonArea::tls,
           "A connection began with something else than the PROXY header that accept_proxy expects. Let the proxy in "
           "front send one, and nobody else reach the address."},
    Reason{"proxy-header-version", ReasonArea::tls,
           "The proxy in front sends the other version of the PROXY protocol than accept_proxy takes. Let both be "
           "the same, or set accept_proxy = \"any\"."},
    Reason{"reauth-asked", ReasonArea::ike,
           "An administrator wanted an IKE SA with new proofs in the place of another one. Nothing has to be done."},
    Reason{"reauth-by-peer", ReasonArea::ike,
           "Only the end that has begun an IKE SA can authenticate anew. Ask for it there, or set reauth_time here, "
           "which tells the other end by when."},
    Reason{"reauth-lacks-child", ReasonArea::ike,
           "The peer authenticated anew and refused one of the children that it carries now, so the old IKE SA stays "
           "for the time being. Compare the children of both ends."},
    Reason{"reauth-refused", ReasonArea::ike,
           "The peer ended the IKE SA that was to come in the place of another one, which stays for the time being. "
           "Its log says why."},
    Reason{"reauth-time", ReasonArea::ike,
           "The reauth_time of the connection was over, so another IKE SA has come in the place of the one before. "
           "Nothing has to be done."},
    Reason{"record-flood", ReasonArea::tls,
           "The TLS peer sent record after record that carry no data, so the connection was closed."},
    Reason{"record-layer-failed", ReasonArea::tls,
           "A TLS connection in userspace failed for a reason that has no code of its own; the sentence quotes "
           "OpenSSL."},
    Reason{"record-overflow", ReasonArea::tls,
           "The TLS peer sent a record or message that is longer than TLS allows."},
    Reason{"record-receive-failed", ReasonArea::tls,
           "A record could not be received; the sentence quotes the kernel."},
    Reason{"record-send-failed", ReasonArea::tls, "A record could not be sent; the sentence quotes the kernel."},
    Reason{"rekey-not-in-kernel", ReasonArea::kernel,
           "The connection stays in userspace: its service says rekey_after, and the kernel can't change keys (Linux "
           "6.14 can)."},
    Reason{"rekey-pending", ReasonArea::tls,
           "The TLS peer has changed its keys, and the kernel waits for the new ones, which nobody installed. Please "
           "report it."},
    Reason{"rekey-refused", ReasonArea::ike,
           "The peer refused to rekey the IKE SA. It is tried again; when the peer's lifetime is over, it may close "
           "the IKE SA."},
    Reason{"resolver-refused", ReasonArea::ike,
           "systemd-resolved did not take the resolvers that a peer gave us, for the interface of the connection; "
           "the sentence "
           "quotes it. Names behind the tunnel are not found until it does."},
    Reason{
        "route-changed", ReasonArea::ike,
        "Packets of a CHILD SA go by another network device now, between the same addresses, and that one does its "
        "part of ESP. Keys and counters are the same."},
    Reason{
        "sa-expired", ReasonArea::ike,
        "The kernel deleted an SA at its hard limit, far behind the time at which it should have been rekeyed. The "
        "child is made anew; the log before it says why the rekeyings failed."},
    Reason{"sa-missing", ReasonArea::kernel,
           "The kernel's events were lost, and an SA is no longer there: it was deleted at its hard limit, or by "
           "another program. The child is made anew."},
    Reason{"seal-failed", ReasonArea::internal,
           "Something could not be encrypted: a message is too large, or OpenSSL lacks the cipher. The sentence says "
           "which."},
    Reason{"selectors-empty", ReasonArea::ike,
           "The traffic selectors of both ends have no family and protocol in common, so that no packet would fit."},
    Reason{"selectors-opaque", ReasonArea::ike, "Traffic selectors with OPAQUE ports can't be given to the kernel."},
    Reason{"selectors-too-many", ReasonArea::ike,
           "The traffic selectors become too many prefixes and port masks for the kernel. Use prefixes instead of "
           "ranges."},
    Reason{"service-not-running", ReasonArea::internal,
           "Nobody has the name org.keysluice1 on the bus that the keysluice command asked. Start keysluiced, look "
           "into its journal, or name the bus that its configuration names with --bus."},
    Reason{"signature-hash", ReasonArea::ike,
           "The peer knows none of the hash functions that signatures with our key need (RFC 7427, RFC 8420). Update "
           "it, or use a certificate with another kind of key."},
    Reason{"signature-weak", ReasonArea::ike,
           "The peer signs with SHA-1, or can check nothing else, since it is older than RFC 7427. Update it, or let "
           "it pass with allow_weak = [\"sha1\"]."},
    Reason{
        "signing-busy", ReasonArea::ike,
        "More signatures wait for the engines than they can be expected to make. The peers try again; more engines "
        "help."},
    Reason{"signing-failed", ReasonArea::ike, "An engine could not sign for IKE; the sentence has OpenSSL's words."},
    Reason{"snapshot-connection", ReasonArea::ike,
           "An IKE SA was not taken over, since its connection is no longer configured."},
    Reason{"snapshot-malformed", ReasonArea::ike,
           "An IKE SA was not taken over, since what the other process wrote of it can't be read. Please report it."},
    Reason{"snapshot-version", ReasonArea::ike,
           "An IKE SA was not taken over, since a process of another version wrote it. It is negotiated anew."},
    Reason{"socket-bypass-refused", ReasonArea::kernel,
           "The kernel did not let a socket of IKE pass by its IPsec policies: keysluiced lacks CAP_NET_ADMIN, or "
           "the kernel CONFIG_XFRM_USER."},
    Reason{"state-damaged", ReasonArea::ike,
           "An IKE SA was not taken over, since what the process before wrote of it is damaged. It is negotiated "
           "anew; what the kernel has of it goes when its successor stands."},
    Reason{"state-file-failed", ReasonArea::internal,
           "The memory file in which IKE SAs outlive keysluiced could not be made or read. They are negotiated "
           "anew; look at memory limits."},
    Reason{"state-file-full", ReasonArea::internal,
           "An IKE SA does not fit into the memory file in which it would outlive keysluiced. It works, and a "
           "restart negotiates it anew; look at memory limits."},
    Reason{"state-key-missing", ReasonArea::ike,
           "The key of what the process before wrote is no longer in the kernel's keyring, so its IKE SAs are "
           "negotiated anew. It goes with an explicit stop, and with PrivateUsers=yes in the unit."},
    Reason{"state-set-aside", ReasonArea::ike,
           "Three processes died while they took this IKE SA over, so the next one left it. It is negotiated "
           "anew; please report it, with the journal."},
    Reason{"status-malformed", ReasonArea::internal,
           "What came from status.sock is no status document. Are keysluiced and this program of one version?"},
    Reason{"submission-malformed", ReasonArea::tls,
           "An application sent something else than one socket with its id, so its channel was closed. "
           "keysluice-handoff(7) has the format."},
    Reason{"tls-side-reset", ReasonArea::tls,
           "The TLS side broke before it ended, so the plaintext side was reset as well."},
    Reason{"tls-stat-malformed", ReasonArea::kernel,
           "/proc/net/tls_stat can't be understood. The status lacks the kernel's counters; nothing else does."},
    Reason{"tls-stat-unreadable", ReasonArea::kernel,
           "/proc/net/tls_stat can't be read; the sentence quotes the kernel."},
    Reason{
        "too-many-added", ReasonArea::internal,
        "Programs have added as many connections for this run as are remembered. Remove some, or let them persist."},
    Reason{"too-many-calls", ReasonArea::internal,
           "So many calls on the bus are under way that no other is taken. Try again; if it stays, look who "
           "calls."},
    Reason{"truncated", ReasonArea::tls,
           "The TLS side ended without close_notify: the data may have been cut short, so the plaintext side was "
           "reset."},
    Reason{"ts-not-offered", ReasonArea::ike,
           "The peer answered with traffic selectors beyond our offer. Its implementation is at fault."},
    Reason{"ts-unacceptable", ReasonArea::ike,
           "The traffic selectors of both ends have nothing in common. Compare local_ts and remote_ts with the "
           "peer's; the sentence has both."},
    Reason{"udp-encapsulation-refused", ReasonArea::kernel,
           "The kernel does not take ESP from a UDP socket, so that nothing passes a NAT: it lacks CONFIG_XFRM."},
    Reason{"ulp-in-use", ReasonArea::kernel,
           "The connection stays in userspace: its socket has an upper layer protocol in the kernel already."},
    Reason{"ulp-missing", ReasonArea::kernel,
           "Keys were to be installed in a socket to which kernel TLS is not attached."},
    Reason{"unexpected-handshake-message", ReasonArea::tls,
           "The TLS peer sent a handshake message that has no place after the handshake."},
    Reason{"unexpected-record", ReasonArea::tls,
           "The TLS peer sent a record of a type that has no place after the handshake."},
    Reason{"verification-busy", ReasonArea::ike,
           "More certificates of peers wait to be checked than this machine can be expected to check. The peers try "
           "again."},
    Reason{"version-too-old", ReasonArea::tls,
           "The peer offers only versions of TLS that this service does not allow; see min_version and max_version."},
    Reason{"vpn-interrupted", ReasonArea::ike,
           "A tunnel of NetworkManager's was closed while it was wanted, by the peer or by command. It is begun "
           "anew; the log before this says who closed it."},
    Reason{"vpn-other-address", ReasonArea::ike,
           "A tunnel of NetworkManager's was closed and negotiated anew, and the gateway gave other addresses than "
           "before, "
           "which NetworkManager does not take while a connection is active. Activate it again."},
    Reason{"vpn-timeout", ReasonArea::ike,
           "A tunnel of NetworkManager's did not stand in time. The log of keysluiced says how far it came; with "
           "nothing there, the gateway does not answer. vpn.timeout gives it more time."},
    Reason{"wrong-key-size", ReasonArea::internal,
           "A key for an AEAD cipher has the wrong length. Please report it."},
    Reason{"xfrm-exists", ReasonArea::kernel,
           "The kernel has an SA or a policy of that name already, of another program perhaps (`ip xfrm state`, `ip "
           "xfrm policy`)."},
    Reason{"xfrm-keys-hidden", ReasonArea::kernel,
           "An SA can't move to other addresses: the kernel is older than Linux 7 and locked down, so that "
           "it shows no keys. The SA is negotiated anew."},
    Reason{"xfrm-missing", ReasonArea::kernel,
           "An SA or a policy is not in the kernel (any more): somebody else removed it."},
    Reason{"xfrm-uncertain", ReasonArea::kernel,
           "Whether the kernel made a change is unknown, since its answer got lost. What it has is compared and "
           "mended."},
});

constexpr auto kReasons = [] {
    std::array<Reason, kOfConfiguration.size() + kOthers.size()> all{};
    std::ranges::merge(kOfConfiguration, kOthers, all.begin(), {}, &Reason::code, &Reason::code);
    return all;
}();
static_assert(std::ranges::is_sorted(kReasons, {}, &Reason::code));

}  // namespace

std::string_view name_of(ReasonArea area) {
    switch (area) {
        case ReasonArea::configuration:
            return "configuration";
        case ReasonArea::tls:
            return "TLS";
        case ReasonArea::ike:
            return "IKE";
        case ReasonArea::kernel:
            return "kernel";
        case ReasonArea::internal:
            return "internal";
    }
    std::unreachable();
}

std::span<const Reason> all_reasons() {
    return kReasons;
}

const Reason* find_reason(std::string_view code) {
    const auto* const found = std::ranges::lower_bound(kReasons, code, {}, &Reason::code);
    return found != kReasons.end() && found->code == code ? found : nullptr;
}

}  // namespace keysluice

#pragma once

#include <array>

#include "base/reasons.hpp"

namespace keysluice {

/// The part of the registry that is about the configuration and what it names; the others stand in reasons.cpp.
inline constexpr auto kOfConfiguration = std::to_array<Reason>({
    Reason{"address-in-use", ReasonArea::configuration,
           "Another process listens on the address already; `ss -ltnp` shows which. Stop it, or choose another "
           "address in listen."},
    Reason{"address-not-available", ReasonArea::configuration,
           "This host does not have the address that listen names. Correct it, or bring the interface up first."},
    Reason{"address-still-needed", ReasonArea::configuration,
           "A reload would give an address of this service to another one, or the other way round, and the other "
           "service stays as it was: so this one does. Mend the other one and reload."},
    Reason{"bad-address", ReasonArea::configuration,
           "What stands there is no address, prefix, range or domain of the kind that the key takes, or local and "
           "remote "
           "are of different families; the sentence says what is expected."},
    Reason{"bad-algorithms", ReasonArea::configuration,
           "A policy names algorithms that do not go together: AH has integrity alone, ESP needs one of the two "
           "at least, and aes-gcm has its own integrity."},
    Reason{"bad-argument", ReasonArea::configuration,
           "An option on the command line is unknown, or its value is wrong; --help lists them."},
    Reason{"bad-duration", ReasonArea::configuration,
           "A duration is a whole number and a unit (ms, s, min or h), as in \"10s\"."},
    Reason{"bad-endpoint", ReasonArea::configuration,
           "An address is not HOST:PORT, [IPv6]:PORT or unix:/PATH, or may not be a host name where it stands."},
    Reason{"bad-icmp", ReasonArea::configuration,
           "What stands for ICMP types and codes in a policy is none: a type, a range of types, or type/code."},
    Reason{"bad-interface", ReasonArea::configuration,
           "interface is no name that a network interface can have: at most 15 letters, digits, '.', '_' and '-'."},
    Reason{"bad-key-reference", ReasonArea::configuration,
           "A key is named by \"file:/PATH\", \"credential:NAME\" or, for many peers, \"directory:/PATH\", and never "
           "written into the configuration."},
    Reason{"bad-name", ReasonArea::configuration,
           "A name has a character that it may not have, or is too long; the sentence says what is allowed."},
    Reason{"bad-path", ReasonArea::configuration,
           "A path must be absolute, and short enough for the sockets that are made below it."},
    Reason{"bad-port-range", ReasonArea::configuration,
           "What stands for ports in a policy is neither a port nor a range as in 1024-65535."},
    Reason{"bad-protocol", ReasonArea::configuration,
           "What stands for the upper-layer protocol of a policy is no name of /etc/protocols and no number "
           "from 1 to 255; 0 would mean any to the kernel, which is said by leaving it out."},
    Reason{"bad-question", ReasonArea::configuration,
           "A test of policies asks for what no packet can be, or in words that it does not know."},
    Reason{"bad-rekey-after", ReasonArea::configuration, "rekey_after is a volume, a time, or one of each."},
    Reason{"bad-retry", ReasonArea::configuration,
           "retry is the first pause between attempts and the longest, of 1s to 24h: \"5s..60s\", or one for all."},
    Reason{
        "bad-return", ReasonArea::configuration,
        "return is for gateways in the order of their priority: with remote_order = \"rotation\" none is better than "
        "another."},
    Reason{"bad-server-name", ReasonArea::configuration,
           "server_name is a host name or an IP address without a port, as the server's certificate has it."},
    Reason{"bad-spi", ReasonArea::configuration,
           "What stands for an SPI is no number from 256 on, decimal or hexadecimal: those below are reserved "
           "(RFC 4303 section 2.1)."},
    Reason{"bad-vpn-data", ReasonArea::configuration,
           "A connection of NetworkManager's has a key in vpn.data or vpn.secrets that does not exist, or lacks "
           "one; the sentence says which. nm-keysluice-service(8) has all of them."},
    Reason{"ca-malformed", ReasonArea::configuration, "The file of ca has no certificates in PEM format."},
    Reason{"ca-missing", ReasonArea::configuration,
           "Peers are to be verified, and ca does not name the authorities to trust."},
    Reason{"ca-unreadable", ReasonArea::configuration,
           "The file of ca can't be read; look at its path and at the permissions of the directories above it."},
    Reason{"certificate-ambiguous", ReasonArea::configuration,
           "Two certificates of a service have the same kind of key and are for the same name, so that it is "
           "not said which one a client gets. Give one of them other names."},
    Reason{"certificate-expired", ReasonArea::configuration,
           "A certificate's time is over, ours or, of IKE, a peer's: renew it."},
    Reason{"certificate-malformed", ReasonArea::configuration,
           "The file of certificate has no certificates in PEM format, the leaf first; or a peer of IKE sent "
           "something that is none."},
    Reason{"certificate-missing", ReasonArea::configuration,
           "A server needs both certificate and private_key; a peer of IKE that is to show a certificate must send "
           "it."},
    Reason{"certificate-nameless", ReasonArea::configuration,
           "A further certificate of a service has no DNS names, and names does not say which clients it is for."},
    Reason{"certificate-not-yet-valid", ReasonArea::configuration,
           "The time of a certificate, ours or a peer's, has not begun. Is this machine's clock right?"},
    Reason{"certificate-refused", ReasonArea::configuration,
           "OpenSSL does not take a certificate, ours or a peer's, mostly because its key or signature is too weak, "
           "or because it breaks a rule of X.509. The sentence quotes it."},
    Reason{"certificate-unreadable", ReasonArea::configuration,
           "The file of certificate can't be read; look at its path and at the permissions of the directories above "
           "it."},
    Reason{
        "cipher-not-allowed", ReasonArea::configuration,
        "ciphers or ciphersuites lists a suite that does not encrypt and authenticate in one step with an ephemeral "
        "key, that cuts its codes short, or that is of another version. Take it out; the sentence lists others."},
    Reason{"cipher-unknown", ReasonArea::configuration,
           "ciphers or ciphersuites lists a name that this OpenSSL does not have; the sentence lists those that are "
           "allowed, `openssl ciphers -v` all of them."},
    Reason{"crl-malformed", ReasonArea::configuration, "A file of crl has no revocation list in PEM or DER."},
    Reason{"crl-unreadable", ReasonArea::configuration,
           "A file of crl can't be read; look at its path and at the permissions of the directories above it."},
    Reason{"delivery-conflict", ReasonArea::configuration,
           "A key can't stand beside the one that gives sockets to applications (deliver, or submit:/PATH in "
           "listen); the sentence says why."},
    Reason{"duplicate-addresses", ReasonArea::configuration, "Two pools have addresses in common."},
    Reason{"duplicate-key", ReasonArea::configuration,
           "A key is set twice; the sentence says where it stands first."},
    Reason{"duplicate-listen", ReasonArea::configuration, "Two services listen on the same address."},
    Reason{"duplicate-name", ReasonArea::configuration,
           "Two services, connections, pools or children have the same name."},
    Reason{
        "eap-alone", ReasonArea::configuration,
        "One end is to prove itself by EAP, and the other one not by a certificate: whoever stands between the two "
        "could take part in the EAP of both (RFC 7296 section 2.16)."},
    Reason{"eap-role", ReasonArea::configuration,
           "By EAP, only the end that begins proves who it is: what it can't do with this start, or this remote."},
    Reason{"engines-missing", ReasonArea::configuration,
           "keysluiced began with no TLS service, and so without engines: restart keysluice, and services are "
           "served."},
    Reason{"file-exists", ReasonArea::configuration,
           "A file that would be made is there already; take another name, or look what it is."},
    Reason{"file-is-directory", ReasonArea::configuration,
           "The configuration is a directory; a file in TOML is expected."},
    Reason{"file-not-utf8", ReasonArea::configuration, "The configuration is not UTF-8. Save it as UTF-8 text."},
    Reason{"file-too-large", ReasonArea::configuration,
           "The configuration is larger than one would ever be. Is it the right file?"},
    Reason{"file-unreadable", ReasonArea::configuration,
           "The configuration can't be read; look at its path and permissions."},
    Reason{"file-unwritable", ReasonArea::configuration,
           "A file could not be written or removed: a connection that a program added, in conf.d beside the "
           "configuration, what --serve was told, policies that are edited by command, what a command was to write, "
           "or a named key. Nothing has changed; look at the folder's permissions, and where a link leads."},
    Reason{"group-left-out", ReasonArea::configuration,
           "A note: key_exchange_groups names a group with \"?\" in front that this machine's OpenSSL lacks, so it "
           "is not "
           "offered. A newer OpenSSL has it."},
    Reason{
        "group-unknown", ReasonArea::configuration,
        "key_exchange_groups has a name that is no group, or that of one that this OpenSSL lacks; the sentence lists "
        "those that it has. With \"?\" in front, a group is left out where OpenSSL lacks it."},
    Reason{"host-not-found", ReasonArea::configuration, "A host name can't be looked up. The sentence says why."},
    Reason{"icmp-not-one-type", ReasonArea::configuration,
           "A policy has ICMP codes of several types at once: write one policy for each type."},
    Reason{"icmp-swallowed", ReasonArea::configuration,
           "A warning: by these policies not all of IPv4's ICMP passes in the clear, so that a packet that is "
           "too large for its path may vanish."},
    Reason{"identity-syntax", ReasonArea::configuration,
           "An identity is a host name, name@host, an address, a distinguished name (CN=name) or keyid:TEXT; in "
           "patterns, \"*\" stands before a domain."},
    Reason{"import-ambiguous", ReasonArea::configuration,
           "Neither the name of a file nor what stands in it says whose configuration it is: say --kind."},
    Reason{"import-impossible", ReasonArea::configuration,
           "What a configuration asks for can't be made into one that keysluice would serve by, such as a TLS "
           "server without a certificate. The sentence names the line."},
    Reason{"import-malformed", ReasonArea::configuration,
           "A configuration of another program is not as that program would read it. The sentence names the "
           "line, and does not repeat what may be secret."},
    Reason{"import-too-large", ReasonArea::configuration,
           "A file is larger than 1 MiB, or includes too much: too many files, too deep, or more settings and "
           "sections than anybody writes."},
    Reason{
        "interface-unfit", ReasonArea::configuration,
        "A connection can't be behind the interface that it names: a child is in transport mode or asks for offload, "
        "or another connection says something else about the same interface."},
    Reason{"key-ambiguous", ReasonArea::configuration,
           "A named key is both a file and a systemd credential of keysluiced, and nobody said which of them counts. "
           "Remove one."},
    Reason{"key-counts-on", ReasonArea::configuration,
           "A warning: AES-GCM with a key that outlives the SA, which RFC 4106 section 2 advises against. "
           "Replace the key often, or take aes-cbc with integrity."},
    Reason{
        "key-exists", ReasonArea::configuration,
        "There is a named key of this name already, and nothing was overwritten: `keysluice key replace` keeps the "
        "one before as NAME.old."},
    Reason{"key-kind", ReasonArea::configuration,
           "A named key's kind does not exist, or is another one than what it is to be used for, or to replace, has. "
           "keysluice(1) lists the kinds."},
    Reason{
        "key-malformed", ReasonArea::configuration,
        "A named key, or a file that one was exported to, is not as expected. The sentence says what was expected, "
        "and never what came."},
    Reason{"key-missing", ReasonArea::configuration, "A table lacks a key that it needs; the sentence names it."},
    Reason{"key-not-found", ReasonArea::configuration,
           "No named key has this name; `keysluice key list` shows them."},
    Reason{"key-not-used", ReasonArea::configuration, "No committed policy uses the key of that name."},
    Reason{
        "key-open-to-others", ReasonArea::configuration,
        "Others than the owner may read or write a file with a secret, or exchange it: it is not taken. Correct the "
        "permissions, and make a new key if somebody may have read this one."},
    Reason{"key-size", ReasonArea::configuration,
           "A named key has another length than its kind. The sentence says how much came, and what was expected."},
    Reason{"key-unreadable", ReasonArea::configuration,
           "A file with a secret, or its folder, can't be read: the sentence says why. Named keys are root's and "
           "keysluiced's alone."},
    Reason{
        "legacy-provider", ReasonArea::configuration,
        "EAP-MSCHAPv2 is made of MD4 and DES, and OpenSSL's module legacy, which has them, is not installed. Debian "
        "12 has it in libssl3, Debian 13 in openssl-provider-legacy."},
    Reason{"listen-failed", ReasonArea::configuration,
           "An address in listen can't be listened on; the sentence quotes the kernel."},
    Reason{"locked-out", ReasonArea::configuration,
           "By these policies neighbour discovery or errors of ICMPv6 would not pass in the clear, and the host "
           "would not be there any more. A policy in front lets them pass, or lockout = accepted says that it is "
           "meant."},
    Reason{"malleable-encryption", ReasonArea::configuration,
           "A warning: ESP with confidentiality alone. Whoever is on the way can change what is in the packets, "
           "unseen."},
    Reason{"mode-without-tunnel", ReasonArea::configuration,
           "A policy has an outer address of a tunnel, and its mode is transport."},
    Reason{"must-staple", ReasonArea::configuration,
           "A warning: the certificate says that an OCSP response always comes with it, and there is no current one. "
           "Clients will refuse it. Fetch one for ocsp and reload."},
    Reason{"no-credentials", ReasonArea::configuration,
           "\"credential:NAME\" needs a systemd service with LoadCredential=; otherwise write \"file:/PATH\"."},
    Reason{"no-peer", ReasonArea::configuration,
           "With remote = \"any\" there is nobody to start with: start must be \"manual\"."},
    Reason{"no-runtime-directory", ReasonArea::configuration,
           "--serve has no place for its sockets: only root may write to /run. Set XDG_RUNTIME_DIR, or say "
           "--runtime-directory."},
    Reason{"no-such-user", ReasonArea::configuration, "application_users names a user whom this host does not know."},
    Reason{"no-usable-group", ReasonArea::configuration,
           "Of the groups in key_exchange_groups none is left on this machine, or for the versions of TLS that the "
           "service allows. Add one; X25519 and P-256 are everywhere."},
    Reason{"not-a-choice", ReasonArea::configuration, "A key takes one of a few words; the sentence lists them."},
    Reason{"not-importable", ReasonArea::configuration,
           "A connection of NetworkManager's can't be all that a file for nmcli connection import says; the sentence "
           "has "
           "the line and the key. NetworkManager's connections are one [[ike.connection]] with one child, and "
           "nm-keysluice-service(8) lists what vpn.data has keys for."},
    Reason{"not-in-this-version", ReasonArea::configuration,
           "This version of keysluice can't do that yet; the sentence says what it takes instead."},
    Reason{"not-one-connection", ReasonArea::configuration,
           "What a program adds is one [[ike.connection]] in TOML with its children; there is another table, or "
           "none, or "
           "several."},
    Reason{"nothing-to-confirm", ReasonArea::configuration, "No commit of policies waits for its confirmation."},
    Reason{"ocsp-issuer-missing", ReasonArea::configuration,
           "Whether an OCSP response is genuine can't be seen without the certificate of the issuer. Put it "
           "behind the leaf in the file that certificate names."},
    Reason{"ocsp-malformed", ReasonArea::configuration, "The file that ocsp names is no OCSP response in DER."},
    Reason{"ocsp-not-current", ReasonArea::configuration,
           "A warning: the OCSP response is out of its time and is not stapled. Fetch a new one and reload."},
    Reason{"ocsp-not-good", ReasonArea::configuration,
           "A warning: the OCSP response says that the certificate is revoked, or that its issuer does not know "
           "it. Clients that are told so will leave."},
    Reason{"ocsp-other-certificate", ReasonArea::configuration,
           "The OCSP response is about another certificate than the one that it stands beside."},
    Reason{"ocsp-unreadable", ReasonArea::configuration,
           "The file that ocsp names can't be read. Check its path and permissions."},
    Reason{"ocsp-unsuccessful", ReasonArea::configuration,
           "The OCSP responder gave no answer but an error, and that was stored. Ask it again."},
    Reason{"ocsp-untrusted", ReasonArea::configuration,
           "The OCSP response is not signed by the certificate's issuer, nor by whom the issuer has delegated "
           "that to."},
    Reason{"out-of-range", ReasonArea::configuration,
           "A number, a duration or the length of a list is not in the range that the sentence names."},
    Reason{
        "passphrase-unusable", ReasonArea::configuration,
        "The passphrase of an exported key is empty or too long, was typed in two ways, or there is no terminal to "
        "ask for it on: --passphrase-file takes it from a file."},
    Reason{"passphrase-wrong", ReasonArea::configuration,
           "An exported key does not open: the passphrase is another one than it was exported with, or the file was "
           "changed on its way. Which of them, nobody can tell."},
    Reason{"password-encoding", ReasonArea::configuration, "A password of EAP is not written in UTF-8."},
    Reason{"password-not-given", ReasonArea::configuration,
           "A connection has eap_password = \"option:eap_password\", and no program gave one with it: such a "
           "connection comes by AddConnection on the bus."},
    Reason{"password-open-to-all", ReasonArea::configuration,
           "A warning: everybody on this machine can read the file of a password."},
    Reason{"password-size", ReasonArea::configuration, "A file with a password is empty or too large."},
    Reason{"password-unreadable", ReasonArea::configuration,
           "A file or directory with passwords can't be read; look at its path and at the permissions above it."},
    Reason{"path-too-long", ReasonArea::configuration,
           "The path of a socket is longer than the kernel allows. Choose a shorter runtime_directory."},
    Reason{"peer-not-verified", ReasonArea::configuration,
           "A warning: with verify_peer = \"none\" anybody on the way can pose as the server, read everything and "
           "change "
           "it. Set ca and server_name instead; for a server with a certificate of its own making, ca can be that."},
    Reason{"peer-rule-malformed", ReasonArea::configuration,
           "A rule in peer_subjects, peer_names or peer_keys can't be read; the sentence says what is expected."},
    Reason{"permission-denied", ReasonArea::configuration,
           "Listening is not permitted: ports below 1024 need CAP_NET_BIND_SERVICE, and a unix socket needs a "
           "directory that may be written to."},
    Reason{"plaintext-contradicted", ReasonArea::configuration,
           "plaintext = \"relay\" lets clients pass without TLS, and another key of the service demands TLS or its "
           "keys. Take one of them out."},
    Reason{"plaintext-passes", ReasonArea::configuration,
           "A warning: with plaintext = \"relay\" whoever does not speak TLS reaches the backend as it is. It is for "
           "the time in which clients move to TLS; set \"refuse\" after that."},
    Reason{"plaintext-reachable", ReasonArea::configuration,
           "A warning: a service of mode \"client\" listens on an address that other hosts may reach, and what they "
           "send is plaintext on its way. Listen on a loopback address or a unix socket, or filter."},
    Reason{"plaintext-remote", ReasonArea::configuration,
           "The plaintext of a service would leave this host, or come to it from others. Use a loopback address, a "
           "unix socket or an address of this host, or say plaintext_remote = \"allow\" where that network is safe."},
    Reason{"policies-one-sided", ReasonArea::configuration,
           "Policies are to be enforced, and a direction has none: all that goes that way would meet the default "
           "alone."},
    Reason{"policy-not-found", ReasonArea::configuration, "No policy of the working set has that name."},
    Reason{"policy-test-failed", ReasonArea::configuration,
           "A saved test of policies has another result than it expects; the sentence has both. The set is not "
           "committed."},
    Reason{
        "policy-too-fine", ReasonArea::configuration,
        "The kernel's policies have prefixes and masks, no ranges, and one policy's ranges would become very many of "
        "them. Use prefixes instead of ranges, or several policies."},
    Reason{"private-key-encrypted", ReasonArea::configuration,
           "The private key wants a passphrase. Store it unencrypted, readable for the service alone, or as a "
           "credential."},
    Reason{"private-key-malformed", ReasonArea::configuration,
           "The file of private_key has no private key in PEM format."},
    Reason{"private-key-mismatch", ReasonArea::configuration, "The private key does not belong to the certificate."},
    Reason{"private-key-not-given", ReasonArea::configuration,
           "A connection has private_key = \"option:private_key\", and no program gave one with it: such a "
           "connection can only be added on the bus."},
    Reason{"private-key-open-to-all", ReasonArea::configuration,
           "Everybody on this machine can read a private key: chmod o-r."},
    Reason{"private-key-unreadable", ReasonArea::configuration,
           "The file of private_key can't be read; look at its path and at the permissions of the directories above "
           "it."},
    Reason{"proposal-incomplete", ReasonArea::configuration,
           "A proposal lacks an algorithm; the sentence says of which kind, with one that would do."},
    Reason{"proposal-syntax", ReasonArea::configuration,
           "A proposal has a keyword that is unknown, stands twice, or has no place in it."},
    Reason{"proposal-weak", ReasonArea::configuration,
           "A proposal has an algorithm that is known to be weak. Choose another one, or list it in allow_weak."},
    Reason{"protected-twice", ReasonArea::configuration,
           "A warning: a policy protects with IPsec what a TLS service of this host protects already."},
    Reason{"protocol-without-ports", ReasonArea::configuration,
           "A policy has ports or ICMP types for a protocol that has none."},
    Reason{"psk-not-given", ReasonArea::configuration,
           "psk is \"option:psk\", which is what a program brings with AddConnection on the bus, and none came. In a "
           "configuration file a pre-shared key is \"file:/PATH\", \"credential:NAME\" or \"directory:/PATH\"."},
    Reason{"psk-open-to-all", ReasonArea::configuration,
           "Everybody on this machine can read a pre-shared key: chmod o-r."},
    Reason{"psk-size", ReasonArea::configuration, "A file with a pre-shared key is empty or too large."},
    Reason{"psk-unreadable", ReasonArea::configuration,
           "A file or directory with pre-shared keys can't be read, or is none."},
    Reason{"remote-not-one-host", ReasonArea::configuration,
           "A policy protects by manual keys what is said to more than one host: each needs SAs, and so "
           "policies, of its own."},
    Reason{"rule-without-certificate", ReasonArea::configuration,
           "A key says whose certificate is welcome, where none is asked for or believed. Ask for one, or leave the "
           "key out: it would keep nobody out."},
    Reason{"secret-in-file", ReasonArea::configuration,
           "A private key stands in the configuration itself. Put it into a file of its own, and take it for known "
           "to others."},
    Reason{"selector-families", ReasonArea::configuration,
           "local_ts and remote_ts have no address family in common, so that no packet fits both."},
    Reason{"selector-syntax", ReasonArea::configuration,
           "A traffic selector is ADDRESS/PREFIX or FIRST-LAST, and behind it a protocol and ports if wanted."},
    Reason{"server-name-malformed", ReasonArea::configuration,
           "server_name is a DNS name without a final dot, or an IP address."},
    Reason{"server-name-missing", ReasonArea::configuration,
           "server_name is missing: without it any certificate would do."},
    Reason{
        "service-too-large", ReasonArea::configuration,
        "What one TLS service is told of names, paths and rules is more than keysluice's processes tell each other. "
        "Use fewer or shorter ones."},
    Reason{"spi-in-use", ReasonArea::configuration,
           "Two policies have the same SPI where the kernel could not tell their SAs apart."},
    Reason{"status-bind-failed", ReasonArea::configuration,
           "status.sock could not be made in the runtime directory. Does it exist, and may this user write to it?"},
    Reason{"status-unreachable", ReasonArea::configuration,
           "Nobody answers on status.sock. Is keysluiced running with this configuration?"},
    Reason{
        "test-too-wide", ReasonArea::configuration,
        "The packets that a test of policies asks about fall into more pieces than anybody can read. Ask about fewer "
        "addresses, or about one protocol."},
    Reason{"toml-syntax", ReasonArea::configuration,
           "The configuration is not TOML at the place that the sentence names."},
    Reason{"too-many-policies", ReasonArea::configuration,
           "There are more policies, or tests of them, than there is room for."},
    Reason{"unknown-connection", ReasonArea::configuration,
           "A policy is to be protected by a CHILD SA of IKE that is not configured."},
    Reason{"unknown-key", ReasonArea::configuration,
           "A table has a key that is unknown; the sentence says which one may have been meant."},
    Reason{"unknown-pool", ReasonArea::configuration, "pools names an [[ike.pool]] that does not exist."},
    Reason{"unknown-table", ReasonArea::configuration,
           "The configuration has a table that is unknown; the sentence says which one may have been meant."},
    Reason{"version-range-empty", ReasonArea::configuration, "min_version is newer than max_version."},
    Reason{"vpn-file-unreadable", ReasonArea::configuration,
           "A private connection of NetworkManager's names a file that the user to whom it belongs can't read, or "
           "that is no PEM of at most 32 KiB. Rights of others don't count."},
    Reason{"vpn-files-private", ReasonArea::configuration,
           "A private connection of NetworkManager's names files, and belongs to several users, or to one whom this "
           "machine does not know: nobody can say with whose rights they are to be opened. Leave one user in "
           "connection.permissions, or make it a connection for all."},
    Reason{"vpn-secret-missing", ReasonArea::configuration,
           "A connection of NetworkManager's authenticates by a pre-shared key, and neither the connection nor "
           "an agent has it. Set vpn.secrets, or psk-flags in vpn.data for an agent to be asked."},
    Reason{"wrong-mode", ReasonArea::configuration,
           "A key is for services of the other mode; the sentence says what to set instead."},
    Reason{"wrong-type", ReasonArea::configuration, "A value is of another type than its key takes."},
    Reason{
        "wrong-version", ReasonArea::configuration,
        "A key is for a version of TLS that min_version or max_version rules out, so it would have no effect. Take "
        "one of the two out."},
});

}  // namespace keysluice

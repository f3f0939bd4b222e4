/*
 * keysluice/handoff.h: for applications that keysluice gives kTLS sockets to, in C and C++. Link with -lcrypto.
 * keysluice-handoff(7) explains it.
 *
 * Such a socket carries plaintext by send(2) and recv(2), but not everything is data there. keysluice_recv() is recv(2)
 * as it should be: the peer's close_notify is the end of file, a KeyUpdate is answered where the kernel can change keys
 * (Linux 6.14), tickets are skipped, and what must not be is an error. One thread at a time may use a socket.
 *
 * All functions return -1 and set errno where they fail.
 */
#ifndef KEYSLUICE_HANDOFF_H
#define KEYSLUICE_HANDOFF_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE: struct ucred and accept4() are needed"
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* Room for any message, with its terminator. */
#define KEYSLUICE_MESSAGE_SIZE (64 * 1024 + 1)
/* A peer may send so many records without data: KeyUpdates that we have not asked for, tickets, warnings, empty ones.
 * One of them comes back for each such portion of data, in either direction, and for each such time. So keys may be
 * changed now and then for ever, but not between single octets. */
#define KEYSLUICE_MOST_IDLE_RECORDS 32
#define KEYSLUICE_OCTETS_PER_IDLE_RECORD (64 * 1024)
#define KEYSLUICE_SECONDS_PER_IDLE_RECORD 60

struct keysluice_socket {
    int fd;
    uint8_t secret_size;        /* 0: the kernel can't change keys */
    uint8_t receive_secret[48]; /* RFC 8446 7.2: application_traffic_secret_N */
    uint8_t send_secret[48];
    uint8_t tls13;
    uint8_t ended;      /* the peer has said close_notify */
    uint8_t closed;     /* we have */
    uint8_t answer_due; /* the peer waits for a KeyUpdate of ours */
    uint8_t alert;      /* the first octet of one, and whether it was seen */
    uint8_t alert_seen;
    uint8_t header[4]; /* of the handshake message that is being read */
    uint8_t header_seen;
    uint8_t update; /* of a KeyUpdate: its only octet */
    uint32_t body_left;
    unsigned idle_records; /* that have not come back yet */
    uint32_t octets;       /* of data, since one came back for the last portion */
    time_t came_back;      /* when one came back for a time */
    unsigned asked_for;    /* KeyUpdates of the peer that we have asked for */
};

/* ---- messages: JSON objects of strings and truth values ---- */

/* The value behind "key":, as it stands there; NULL: there is none. */
static inline const char *keysluice_value(const char *message, const char *key) {
    const size_t length = strlen(key);
    int in_string = 0;
    for (const char *at = message; *at != '\0'; ++at) {
        if (in_string && *at == '\\' && at[1] != '\0') {
            ++at;
        } else if (*at == '"') {
            in_string = !in_string;
            if (in_string && strncmp(at + 1, key, length) == 0 && at[1 + length] == '"' && at[2 + length] == ':') {
                return at + 3 + length;
            }
        }
    }
    return NULL;
}

static inline int keysluice_hex(char letter) {
    return letter >= '0' && letter <= '9'   ? letter - '0'
           : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
           : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
                                            : -1;
}

/* Copies a string of the message, terminated, and returns its length. ENOENT: there is none. EMSGSIZE: it is too long.
 * What is not ASCII comes as the octets that the peer sent. */
static inline ssize_t keysluice_text(const char *message, const char *key, char *into, size_t size) {
    const char *at = keysluice_value(message, key);
    size_t length = 0;
    if (at == NULL || *at++ != '"') {
        errno = ENOENT;
        return -1;
    }
    for (; *at != '"'; ++at) {
        int letter = (unsigned char)*at;
        if (letter == '\0') {
            errno = EBADMSG;
            return -1;
        }
        if (letter == '\\') {
            letter = (unsigned char)*++at;
            if (letter == 'u') {
                letter = 0;
                for (int i = 0; i < 4; ++i) {
                    const int digit = keysluice_hex(*++at);
                    if (digit < 0) {
                        errno = EBADMSG;
                        return -1;
                    }
                    letter = letter * 16 + digit;
                }
            } else if (letter != '"' && letter != '\\' && letter != '/') {
                errno = EBADMSG;
                return -1;
            }
        }
        if (length + 1 >= size || letter == '\0') {
            errno = EMSGSIZE;
            return -1;
        }
        into[length++] = (char)letter;
    }
    into[length] = '\0';
    return (ssize_t)length;
}

/* Decodes base64 in place of the message, and leaves nothing of it there. Returns how many octets it had. */
static inline size_t keysluice_take_secret(char *message, const char *key, uint8_t *into, size_t size) {
    const char *const value = keysluice_value(message, key);
    char *at = value == NULL || *value != '"' ? NULL : message + (value + 1 - message);
    uint32_t bits = 0;
    unsigned count = 0;
    size_t length = 0;
    for (; at != NULL && *at != '"' && *at != '\0'; *at++ = '*') {
        const char letter = *at;
        const int digit = letter >= 'A' && letter <= 'Z'   ? letter - 'A'
                          : letter >= 'a' && letter <= 'z' ? letter - 'a' + 26
                          : letter >= '0' && letter <= '9' ? letter - '0' + 52
                          : letter == '+'                  ? 62
                          : letter == '/'                  ? 63
                                                           : -1;
        if (digit < 0) {
            continue;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8 && length < size) {
            count -= 8;
            into[length++] = (uint8_t)(bits >> count);
        }
    }
    bits = 0;
    return length;
}

/* ---- where keysluice comes to, and where it is called ---- */

static inline int keysluice_unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

static inline int keysluice_close_with(int fd, int error) {
    close(fd);
    errno = error;
    return -1;
}

/* Whether `user` is at the other end (SO_PEERCRED). */
static inline int keysluice_is_user(int channel, uid_t user) {
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    return getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && credentials.uid == user;
}

/* A listening socket at `path`, for `connect` of a service with deliver = "handoff". The user that keysluice-engine runs
 * as must be able to write to it: `mode`. Whoever calls it is asked who it is by keysluice_accept(). */
static inline int keysluice_listen(const char *path, mode_t mode) {
    struct sockaddr_un address;
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || keysluice_unix_address(path, &address) != 0) {
        return fd < 0 ? -1 : keysluice_close_with(fd, errno);
    }
    unlink(path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || chmod(path, mode) != 0 ||
        listen(fd, 4096) != 0) {
        return keysluice_close_with(fd, errno);
    }
    return fd;
}

/* A channel to "submit:PATH" of a service, where `user` (who keysluiced runs as) must listen; EPERM: somebody else does. */
static inline int keysluice_connect(const char *path, uid_t user) {
    struct sockaddr_un address;
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || keysluice_unix_address(path, &address) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return fd < 0 ? -1 : keysluice_close_with(fd, errno);
    }
    return keysluice_is_user(fd, user) ? fd : keysluice_close_with(fd, EPERM);
}

/* 1 to 64 printable ASCII characters but " and \; keysluice ends a channel that brings anything else. */
static inline int keysluice_is_id(const char *id) {
    size_t length = 0;
    for (; id[length] != '\0'; ++length) {
        if (length == 64 || id[length] < ' ' || id[length] > '~' || id[length] == '"' || id[length] == '\\') {
            return 0;
        }
    }
    return length > 0;
}

/* As keysluice_submit(). `flags`: MSG_DONTWAIT or 0. EAGAIN: there is no room now, and maybe none before answers are
 * read. */
static inline int keysluice_submit_with(int channel, int tcp, const char *id, int flags) {
    char packet[128];
    const int size = snprintf(packet, sizeof(packet), "{\"version\":1,\"id\":\"%s\"}", id);
    struct iovec data = {packet, (size_t)size};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message;
    if (!keysluice_is_id(id) || size < 0 || (size_t)size >= sizeof(packet)) {
        errno = EINVAL;
        return -1;
    }
    memset(&message, 0, sizeof(message));
    memset(&control, 0, sizeof(control));
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.room;
    message.msg_controllen = sizeof(control.room);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &tcp, sizeof(tcp));
    return sendmsg(channel, &message, MSG_NOSIGNAL | flags) < 0 ? -1 : 0;
}

/* Submits a connected TCP socket. `id` has 1 to 64 printable ASCII characters but " and \ (otherwise: EINVAL); the
 * answer has it, too. From now on until then nothing else may be done with the socket; afterwards, `tcp` and the
 * answer's are the same. */
static inline int keysluice_submit(int channel, int tcp, const char *id) {
    return keysluice_submit_with(channel, tcp, id, 0);
}

/* The next answer: returns 1, and 0 where the channel has ended. `message` (KEYSLUICE_MESSAGE_SIZE octets) gets what
 * keysluice says; the secrets in it are in `into` alone. `into->fd` is -1 where there is no socket, and the message
 * says why ("id", "reason", "sentence"). `flags`: MSG_DONTWAIT or 0. */
static inline int keysluice_answer(int channel, struct keysluice_socket *into, char *text, int flags) {
    struct iovec data = {text, KEYSLUICE_MESSAGE_SIZE - 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message;
    char version[8];
    ssize_t size;
    memset(into, 0, sizeof(*into));
    into->fd = -1;
    memset(&message, 0, sizeof(message));
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.room;
    message.msg_controllen = sizeof(control.room);
    do {
        size = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | flags);
    } while (size < 0 && errno == EINTR);
    if (size <= 0) {
        return (int)size;
    }
    text[size] = '\0';
    const struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&into->fd, CMSG_DATA(header), sizeof(int));
    }
    const size_t receive = keysluice_take_secret(text, "receive_secret", into->receive_secret, 48);
    const size_t send = keysluice_take_secret(text, "send_secret", into->send_secret, 48);
    into->secret_size = (uint8_t)(receive == send && (receive == 32 || receive == 48) ? receive : 0);
    into->tls13 = keysluice_text(text, "tls", version, sizeof(version)) == 3 && strcmp(version, "1.3") == 0;
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || (into->fd < 0) != (keysluice_value(text, "reason") != NULL)) {
        if (into->fd >= 0) {
            close(into->fd);
        }
        explicit_bzero(into, sizeof(*into));
        into->fd = -1;
        errno = EBADMSG;
        return -1;
    }
    return 1;
}

/* The next socket that was handed off to a listening socket: returns 0. Only `user` (who keysluice-engine runs as) may
 * hand one in; EPERM: it was somebody else, who is sent away. ECONNABORTED: nothing came. */
static inline int keysluice_accept(int listener, uid_t user, struct keysluice_socket *into, char *message) {
    const int channel = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (channel < 0) {
        return -1;
    }
    if (!keysluice_is_user(channel, user)) {
        return keysluice_close_with(channel, EPERM);
    }
    const int got = keysluice_answer(channel, into, message, 0);
    const int error = got < 0 ? errno : ECONNABORTED;
    return got == 1 && into->fd >= 0 ? close(channel) : keysluice_close_with(channel, error);
}

/* ---- records ---- */

/* `flags`: MSG_DONTWAIT, since a peer that does not read must not stop who only wanted to receive or to close; or 0. */
static inline int keysluice_send_record(int fd, uint8_t type, const uint8_t *payload, size_t size, int flags) {
    struct iovec data = {(void *)(uintptr_t)payload, size};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(uint8_t))];
    } control;
    struct msghdr message;
    memset(&message, 0, sizeof(message));
    memset(&control, 0, sizeof(control));
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.room;
    message.msg_controllen = sizeof(control.room);
    control.header.cmsg_level = SOL_TLS;
    control.header.cmsg_type = TLS_SET_RECORD_TYPE;
    control.header.cmsg_len = CMSG_LEN(sizeof(uint8_t));
    *CMSG_DATA(&control.header) = type;
    return sendmsg(fd, &message, MSG_NOSIGNAL | flags) < 0 ? -1 : 0;
}

static inline int keysluice_alert(struct keysluice_socket *tls, uint8_t level, uint8_t description, int flags) {
    const uint8_t alert[2] = {level, description};
    return keysluice_send_record(tls->fd, 21, alert, sizeof(alert), flags);
}

/* RFC 8446 7.1, HKDF-Expand-Label with an empty context, of at most one hash. */
static inline int keysluice_expand(const uint8_t *secret, size_t hash, const char *label, uint8_t *out, size_t size) {
    uint8_t info[40];
    uint8_t block[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const size_t letters = strlen(label);
    size_t at = 0;
    info[at++] = 0;
    info[at++] = (uint8_t)size;
    info[at++] = (uint8_t)(6 + letters);
    memcpy(info + at, "tls13 ", 6);
    memcpy(info + at + 6, label, letters);
    at += 6 + letters;
    info[at++] = 0; /* no context */
    info[at++] = 1; /* the first and only block, RFC 5869 2.3 */
    if (size > hash ||
        HMAC(hash == 32 ? EVP_sha256() : EVP_sha384(), secret, (int)hash, info, at, block, &length) == NULL) {
        return -1;
    }
    memcpy(out, block, size);
    explicit_bzero(block, sizeof(block));
    return 0;
}

/* Gives the kernel the keys that come after `secret`, which becomes the next one. `option`: TLS_TX or TLS_RX. */
static inline int keysluice_next_keys(struct keysluice_socket *tls, int option, uint8_t *secret) {
    union {
        struct tls_crypto_info info;
        struct tls12_crypto_info_aes_gcm_128 aes128;
        struct tls12_crypto_info_aes_gcm_256 aes256;
        struct tls12_crypto_info_chacha20_poly1305 chacha;
        struct tls12_crypto_info_aes_ccm_128 ccm128;
    } keys;
    uint8_t next[48], iv[12], key[32];
    socklen_t size = sizeof(keys.info);
    size_t key_size = 16;
    int result = -1;
    memset(&keys, 0, sizeof(keys));
    if (getsockopt(tls->fd, SOL_TLS, option, &keys.info, &size) != 0) {
        return -1;
    }
    if (keys.info.cipher_type == TLS_CIPHER_AES_GCM_256 || keys.info.cipher_type == TLS_CIPHER_CHACHA20_POLY1305) {
        key_size = 32;
    }
    if (keysluice_expand(secret, tls->secret_size, "traffic upd", next, tls->secret_size) == 0 &&
        keysluice_expand(next, tls->secret_size, "key", key, key_size) == 0 &&
        keysluice_expand(next, tls->secret_size, "iv", iv, sizeof(iv)) == 0) {
        switch (keys.info.cipher_type) {
            case TLS_CIPHER_AES_GCM_128:
                memcpy(keys.aes128.salt, iv, 4);
                memcpy(keys.aes128.iv, iv + 4, 8);
                memcpy(keys.aes128.key, key, key_size);
                size = sizeof(keys.aes128);
                break;
            case TLS_CIPHER_AES_GCM_256:
                memcpy(keys.aes256.salt, iv, 4);
                memcpy(keys.aes256.iv, iv + 4, 8);
                memcpy(keys.aes256.key, key, key_size);
                size = sizeof(keys.aes256);
                break;
            case TLS_CIPHER_AES_CCM_128:
                memcpy(keys.ccm128.salt, iv, 4);
                memcpy(keys.ccm128.iv, iv + 4, 8);
                memcpy(keys.ccm128.key, key, key_size);
                size = sizeof(keys.ccm128);
                break;
            default: /* ChaCha20-Poly1305 */
                memcpy(keys.chacha.iv, iv, sizeof(iv));
                memcpy(keys.chacha.key, key, key_size);
                size = sizeof(keys.chacha);
                break;
        }
        result = setsockopt(tls->fd, SOL_TLS, option, &keys, size);
        if (result == 0) {
            memcpy(secret, next, tls->secret_size);
        }
    }
    explicit_bzero(&keys, sizeof(keys));
    explicit_bzero(next, sizeof(next));
    explicit_bzero(key, sizeof(key));
    explicit_bzero(iv, sizeof(iv));
    return result;
}

/* As keysluice_change_keys(). `flags`: MSG_DONTWAIT or 0. */
static inline int keysluice_change_keys_with(struct keysluice_socket *tls, int asking, int flags) {
    const uint8_t update[5] = {24, 0, 0, 1, (uint8_t)(asking && !tls->answer_due ? 1 : 0)};
    if (tls->secret_size == 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (keysluice_send_record(tls->fd, 22, update, sizeof(update), flags) != 0) {
        return -1;
    }
    tls->answer_due = 0;
    tls->asked_for += update[4];
    if (keysluice_next_keys(tls, TLS_TX, tls->send_secret) != 0) {
        tls->closed = 1; /* the peer expects the next keys: nothing can be said any more */
        return -1;
    }
    return 0;
}

/* Changes our keys, and asks the peer to change its own where `asking` is not 0. EOPNOTSUPP: the kernel can't, or it is
 * TLS 1.2. EAGAIN on a nonblocking socket: try again. */
static inline int keysluice_change_keys(struct keysluice_socket *tls, int asking) {
    return keysluice_change_keys_with(tls, asking, 0);
}

static inline void keysluice_earn(struct keysluice_socket *tls, uint64_t records) {
    tls->idle_records -= records < tls->idle_records ? (unsigned)records : tls->idle_records;
}

static inline void keysluice_count_data(struct keysluice_socket *tls, size_t octets) {
    const uint64_t sum = (uint64_t)tls->octets + octets;
    keysluice_earn(tls, sum / KEYSLUICE_OCTETS_PER_IDLE_RECORD);
    tls->octets = (uint32_t)(sum % KEYSLUICE_OCTETS_PER_IDLE_RECORD);
}

static inline void keysluice_count_idle_record(struct keysluice_socket *tls) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (tls->idle_records == 0) {
        tls->came_back = now.tv_sec;
    }
    const time_t earned = (now.tv_sec - tls->came_back) / KEYSLUICE_SECONDS_PER_IDLE_RECORD;
    keysluice_earn(tls, (uint64_t)earned);
    tls->came_back += earned * KEYSLUICE_SECONDS_PER_IDLE_RECORD;
    ++tls->idle_records;
}

static inline int keysluice_violation(struct keysluice_socket *tls, uint8_t description, int error) {
    keysluice_alert(tls, 2, description, MSG_DONTWAIT);
    tls->closed = 1;
    errno = error;
    return -1;
}

static inline int keysluice_on_alert(struct keysluice_socket *tls, uint8_t octet) {
    if (!tls->alert_seen) {
        tls->alert = octet;
        tls->alert_seen = 1;
        return 0;
    }
    tls->alert_seen = 0;
    if (octet == 0) {
        tls->ended = 1; /* close_notify */
        return 0;
    }
    /* RFC 5246 7.2.2: a warning; RFC 8446 6.1: user_canceled, and close_notify follows. */
    if ((!tls->tls13 && tls->alert == 1) || (tls->tls13 && octet == 90)) {
        return 0;
    }
    tls->closed = 1; /* RFC 8446 6.2: it is over in both directions */
    errno = ECONNRESET;
    return -1;
}

/* 1: it was a KeyUpdate, behind which nothing may stand in its record. */
static inline int keysluice_on_message_end(struct keysluice_socket *tls) {
    const uint8_t type = tls->header[0];
    const uint8_t update = tls->update;
    tls->header_seen = 0;
    if (type == 4) {
        return 0; /* NewSessionTicket */
    }
    if (type != 24 || !tls->tls13 || tls->header[1] != 0 || tls->header[2] != 0 || tls->header[3] != 1 || update > 1) {
        return keysluice_violation(tls, 10 /* unexpected_message */, EIO);
    }
    if (tls->secret_size == 0 || keysluice_next_keys(tls, TLS_RX, tls->receive_secret) != 0) {
        return keysluice_violation(tls, 80 /* internal_error */, EIO);
    }
    if (update == 1) {
        tls->answer_due = 1;
    } else if (tls->asked_for > 0) {
        --tls->asked_for;
        keysluice_earn(tls, 1); /* this one */
    }
    return 1;
}

static inline int keysluice_on_handshake(struct keysluice_socket *tls, uint8_t octet) {
    if (tls->header_seen < 4) {
        tls->header[tls->header_seen++] = octet;
        if (tls->header_seen < 4) {
            return 0;
        }
        tls->body_left = (uint32_t)tls->header[1] << 16 | (uint32_t)tls->header[2] << 8 | tls->header[3];
        return tls->body_left == 0 ? keysluice_on_message_end(tls) : 0;
    }
    tls->update = octet;
    return --tls->body_left == 0 ? keysluice_on_message_end(tls) : 0;
}

/* What is due before our next data. EAGAIN is no failure: it stays due. */
static inline int keysluice_answer_update(struct keysluice_socket *tls, int flags) {
    flags &= MSG_DONTWAIT;
    if (tls->answer_due && !tls->closed && keysluice_change_keys_with(tls, 0, flags) != 0 && errno != EAGAIN) {
        return -1;
    }
    return 0;
}

/* What a record says that is no data. */
static inline int keysluice_follow(struct keysluice_socket *tls, uint8_t type, const uint8_t *octets, size_t size) {
    if (type != 21 && type != 22) {
        return type == 23 ? 0 : keysluice_violation(tls, 10 /* unexpected_message */, EIO);
    }
    for (size_t i = 0; i < size; ++i) {
        const int done = type == 21 ? keysluice_on_alert(tls, octets[i]) : keysluice_on_handshake(tls, octets[i]);
        if (done < 0) {
            return -1;
        }
        if (done == 1 && i + 1 < size) { /* RFC 8446 5.1: messages "MUST NOT span key changes" */
            return keysluice_violation(tls, 10, EIO);
        }
    }
    return 0;
}

static inline int keysluice_on_control(struct keysluice_socket *tls, uint8_t type, const uint8_t *octets, size_t size) {
    keysluice_count_idle_record(tls);
    if (keysluice_follow(tls, type, octets, size) != 0) {
        return -1;
    }
    /* Not before it was read: what we have asked for costs nothing. */
    return tls->idle_records > KEYSLUICE_MOST_IDLE_RECORDS ? keysluice_violation(tls, 10, ECONNRESET) : 0;
}

/* recv(2) of data. 0: the peer has said close_notify. ECONNRESET: an alert ended the connection, or it ended without
 * one, and data may be missing; or the peer sent too many records without data. EBADMSG: a record was forged or
 * damaged. EIO: the peer broke a rule, or changed keys that can't be changed here. `flags`: 0 or MSG_DONTWAIT, which
 * holds for the answer to a KeyUpdate, too. Behind what it returns, the buffer may hold other octets. */
static inline ssize_t keysluice_recv(struct keysluice_socket *tls, void *buffer, size_t size, int flags) {
    while (!tls->ended) {
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(sizeof(uint8_t))];
        } control;
        struct iovec data = {buffer, size};
        struct msghdr message;
        memset(&message, 0, sizeof(message));
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
        if (keysluice_answer_update(tls, flags) != 0) {
            return -1;
        }
        const ssize_t got = recvmsg(tls->fd, &message, flags & MSG_DONTWAIT);
        if (got < 0) {
            return -1;
        }
        const struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
        if (header == NULL || header->cmsg_level != SOL_TLS) {
            errno = got == 0 ? ECONNRESET : EIO; /* a FIN without close_notify; no type means no keys */
            return -1;
        }
        const uint8_t type = *CMSG_DATA(header);
        if (type == 23 && got > 0) {
            keysluice_count_data(tls, (size_t)got);
            return got;
        }
        if (keysluice_on_control(tls, type, (const uint8_t *)buffer, (size_t)got) != 0) {
            return -1;
        }
    }
    return 0;
}

/* send(2), behind the KeyUpdate that the peer may wait for. EPIPE: close_notify was said already. `flags`
 * with MSG_DONTWAIT: neither is waited for. */
static inline ssize_t keysluice_send(struct keysluice_socket *tls, const void *data, size_t size, int flags) {
    if (tls->closed) {
        errno = EPIPE;
        return -1;
    }
    if (keysluice_answer_update(tls, flags) != 0 || tls->answer_due) {
        return -1;
    }
    const ssize_t sent = send(tls->fd, data, size, flags | MSG_NOSIGNAL);
    if (sent > 0) {
        keysluice_count_data(tls, (size_t)sent);
    }
    return sent;
}

static inline int keysluice_shutdown_with(struct keysluice_socket *tls, int flags) {
    if (!tls->closed && keysluice_alert(tls, 1, 0, flags) != 0) {
        return -1;
    }
    tls->closed = 1;
    return shutdown(tls->fd, SHUT_WR);
}

/* Our end of the data: close_notify and a FIN. The peer's data may go on. EAGAIN on a nonblocking socket: try again. */
static inline int keysluice_shutdown(struct keysluice_socket *tls) {
    return keysluice_shutdown_with(tls, 0);
}

/* The same, and nothing is left of the socket and its keys. It waits for nobody: where the peer does not read there may
 * be no room for close_notify, and the peer sees a truncation. Where that matters, call keysluice_shutdown() until it
 * returns 0 before. */
static inline int keysluice_close(struct keysluice_socket *tls) {
    const int fd = tls->fd;
    if (fd >= 0) {
        keysluice_shutdown_with(tls, MSG_DONTWAIT);
    }
    explicit_bzero(tls, sizeof(*tls));
    tls->fd = -1;
    return fd >= 0 ? close(fd) : 0;
}

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif

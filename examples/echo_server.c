/*
 * An echo server that leaves TLS to keysluice, in two ways:
 *
 *   echo_server handoff PATH USER        keysluice accepts, and hands sockets off to PATH (deliver = "handoff")
 *   echo_server submit PATH PORT USER    it accepts on 127.0.0.1:PORT itself, and submits to PATH (listen = ["submit:PATH"])
 *
 * USER is who keysluice-engine (handoff) or keysluiced (submit) runs as. Only that user is talked to.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <keysluice/handoff.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { KIND_LISTENER, KIND_CHANNEL, KIND_SOCKET };

struct watched {
    int kind;
    struct keysluice_socket tls;
    size_t from, to; /* what of `data` is still to be sent */
    char data[16 * 1024];
};

static int epoll = -1;
static int listener = -1;
static int channel = -1; /* submit mode */
static struct watched *watched_listener;
static struct watched *watched_channel;
static int unsubmitted = -1; /* accepted, and the channel had no room for it */
static uid_t keysluice = (uid_t)-1;
static char message[KEYSLUICE_MESSAGE_SIZE];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct watched *watch(int kind, int fd) {
    struct watched *const one = calloc(1, sizeof(*one));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = one}};
    if (one == NULL || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("watch");
    }
    one->kind = kind;
    return one;
}

static void change_watch(struct watched *one, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.ptr = one}};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0) {
        die("watch");
    }
}

/* Nothing of its keys stays behind in `tls`. */
static void begin(struct keysluice_socket *tls) {
    char peer[64] = "";
    char name[256] = "";
    keysluice_text(message, "peer", peer, sizeof(peer));
    keysluice_text(message, "server_name", name, sizeof(name));
    printf("serving %s, who asked for %s%s\n", peer, name, tls->secret_size > 0 ? "; its keys can be changed" : "");
    fcntl(tls->fd, F_SETFL, fcntl(tls->fd, F_GETFL) | O_NONBLOCK);
    watch(KIND_SOCKET, tls->fd)->tls = *tls;
    explicit_bzero(tls, sizeof(*tls));
}

/* keysluice may have a duplicate of the socket for another moment: close(2) alone would not end the watching. */
static void end(struct watched *one) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, one->tls.fd, NULL);
    keysluice_close(&one->tls);
    free(one);
}

/* Until nothing more can be sent or is there. */
static void echo(struct watched *one) {
    for (;;) {
        while (one->from < one->to) {
            const ssize_t sent = keysluice_send(&one->tls, one->data + one->from, one->to - one->from, MSG_DONTWAIT);
            if (sent < 0 && errno == EAGAIN) {
                change_watch(one, one->tls.fd, EPOLLOUT);
                return;
            }
            if (sent < 0) {
                perror("send");
                end(one);
                return;
            }
            one->from += (size_t)sent;
        }
        const ssize_t got = keysluice_recv(&one->tls, one->data, sizeof(one->data), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) {
            change_watch(one, one->tls.fd, EPOLLIN);
            return;
        }
        if (got <= 0) {
            if (got < 0) {
                perror("receive");
            }
            end(one);
            return;
        }
        one->from = 0;
        one->to = (size_t)got;
    }
}

static void take_handed_off(void) {
    struct keysluice_socket tls;
    if (keysluice_accept(listener, keysluice, &tls, message) == 0) {
        begin(&tls);
    } else {
        perror("handed off by somebody else, or not at all");
    }
}

/* The id is our own descriptor: it stays open until the answer is there. 0: there is no room now. */
static int submit(int tcp) {
    char id[16];
    snprintf(id, sizeof(id), "%d", tcp);
    if (keysluice_submit_with(channel, tcp, id, MSG_DONTWAIT) == 0) {
        return 1;
    }
    if (errno != EAGAIN) {
        die("submit");
    }
    return 0;
}

/* Waiting for room without reading answers would be for ever: keysluice waits for us, too. */
static void submit_one(void) {
    const int tcp = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (tcp < 0) {
        die("accept");
    }
    if (!submit(tcp)) {
        unsubmitted = tcp;
        change_watch(watched_listener, listener, 0);
        change_watch(watched_channel, channel, EPOLLIN | EPOLLOUT);
    }
}

static void submit_again(void) {
    if (submit(unsubmitted)) {
        unsubmitted = -1;
        change_watch(watched_listener, listener, EPOLLIN);
        change_watch(watched_channel, channel, EPOLLIN);
    }
}

static void take_answer(void) {
    struct keysluice_socket tls;
    char id[128];
    if (keysluice_answer(channel, &tls, message, 0) != 1) {
        die("keysluice has ended the channel");
    }
    if (keysluice_text(message, "id", id, sizeof(id)) > 0) {
        close(atoi(id)); /* what came with the answer is the same socket */
    }
    if (tls.fd >= 0) {
        begin(&tls);
    } else {
        char sentence[512] = "";
        keysluice_text(message, "sentence", sentence, sizeof(sentence));
        printf("no socket: %s\n", sentence);
    }
}

static void on_channel(uint32_t events) {
    if (unsubmitted >= 0 && (events & EPOLLOUT) != 0) {
        submit_again();
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0) {
        take_answer();
    }
}

static int listen_on(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0) {
        die("listen");
    }
    return fd;
}

static uid_t user_named(const char *name) {
    const struct passwd *const entry = getpwnam(name);
    if (entry == NULL) {
        die(name);
    }
    return entry->pw_uid;
}

int main(int count, char **words) {
    const int submits = count == 5 && strcmp(words[1], "submit") == 0;
    if (!submits && (count != 4 || strcmp(words[1], "handoff") != 0)) {
        fputs("echo_server handoff PATH USER | echo_server submit PATH PORT USER\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    keysluice = user_named(words[count - 1]);
    if (submits) {
        channel = keysluice_connect(words[2], keysluice);
        listener = listen_on((uint16_t)atoi(words[3]));
    } else {
        listener = keysluice_listen(words[2], 0666);
    }
    if (listener < 0 || (submits && channel < 0)) {
        die(words[2]);
    }
    watched_listener = watch(KIND_LISTENER, listener);
    if (submits) {
        watched_channel = watch(KIND_CHANNEL, channel);
    }
    puts("ready");
    for (;;) {
        struct epoll_event events[64];
        const int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; ++i) {
            struct watched *const one = events[i].data.ptr;
            if (one->kind == KIND_SOCKET) {
                echo(one);
            } else if (one->kind == KIND_CHANNEL) {
                on_channel(events[i].events);
            } else if (submits) {
                submit_one();
            } else {
                take_handed_off();
            }
        }
    }
}

"""Debian's strongSwan as a gateway: a charon of its own for each, driven through its control socket."""


from support import processes
from support.scenario import Failure, eventually
from support.tunnel import Gateway
from support.vici import Vici

PROGRAM = "/usr/sbin/charon-systemd"
PLUGINS = ("aes sha1 sha2 md5 random nonce x509 revocation constraints pubkey pkcs1 pkcs8 pem openssl curve25519 gmp xcbc cmac "
           "hmac kdf ctr ccm gcm chapoly eap-identity eap-mschapv2 eap-tls kernel-netlink socket-default vici")
SETTINGS = """
charon-systemd {{
  load = {plugins}
  install_routes = no
  install_virtual_ip = no
{more}
  plugins {{
    vici {{
      socket = unix://{socket}
    }}
  }}
  journal {{
    default = -1
  }}
  filelog {{
    log {{
      path = {log}
      flush_line = yes
      default = 1
      ike = 2
      cfg = 2
      knl = 2
    }}
  }}
}}
"""


class StrongSwan(Gateway):
    """`charon` are settings of the daemon; `connection` and `child` change what the tunnel says for them. `credentials` are
    (command, message) that load more than the tunnel's shared secret."""

    kind = "strongSwan"

    def __init__(self, world, end, peer, tunnel, charon=None, connection=None, child=None, credentials=None):
        super().__init__(world, end, peer, tunnel)
        self.socket = world.directory / f"{end.name}.vici"
        self.log_file = world.directory / f"strongswan-{end.name}.log"
        self.settings = world.directory / f"strongswan-{end.name}.conf"
        more = "\n".join(f"  {name} = {value}" for name, value in (charon or {}).items())
        self.settings.write_text(SETTINGS.format(plugins=PLUGINS, more=more, socket=self.socket, log=self.log_file))
        self.connection = self._connection() | (connection or {})
        self.connection["children"] = {"net": self._child() | (child or {})}
        self.credentials = credentials or []
        self.process, self.vici = None, None

    def _connection(self):
        tunnel = self.tunnel
        return {"version": "2", "local_addrs": [self.end.outer[tunnel.family]],
                "remote_addrs": [self.peer.seen[tunnel.family]], "proposals": tunnel.proposal.split(","),
                "local": {"auth": "psk", "id": self.end.identity}, "remote": {"auth": "psk", "id": self.peer.identity}}

    def _child(self):
        # The guest's CPUs take turns: while one pauses with a packet in hand, another overtakes it with more than the 32
        # packets that strongSwan's own replay window has room for.
        child = {"esp_proposals": self.tunnel.esp.split(","), "mode": self.tunnel.mode, "replay_window": 2048}
        if self.tunnel.mode == "tunnel":
            child |= {"local_ts": [self.end.network[self.tunnel.inner]],
                      "remote_ts": [self.peer.network[self.tunnel.inner]]}
        return child

    def __enter__(self):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STRONGSWAN_CONF": str(self.settings)}
        with self.end.namespace.entered():
            self.process = processes.start([PROGRAM], self.world.directory / f"charon-{self.end.name}.log",
                                           env=environment)
        # The socket's file is there before charon listens.
        self.vici = eventually(self._connect, self.world.patience(20), f"{self} answers")
        owners = [self.end.identity, self.peer.identity]
        self.ask("load-shared", {"id": "secret", "type": "IKE", "data": self.tunnel.secret, "owners": owners})
        for command, message in self.credentials:
            self.ask(command, message)
        self.load()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """In order: it tells its peers."""
        if self.process:
            processes.stop(self.process, self.world.patience(15))

    def _connect(self):
        if self.process.poll() is not None:
            raise Failure(f"{self} ended at once, with exit status {self.process.returncode}")
        try:
            return Vici(self.socket, self.world.patience(60))
        except OSError:
            return None

    def ask(self, command, message=None):
        return self.vici.ask(command, message)

    def load(self, **changes):
        """The connection, changed or not; IKE SAs that stand keep what they have."""
        self.connection |= changes
        self.ask("load-conn", {"peer": self.connection})

    def initiate(self):
        return self.ask("initiate", {"child": "net", "ike": "peer", "timeout": int(self.world.patience(20) * 1000),
                                     "loglevel": 0})

    def sas(self):
        """Its IKE SAs that are established, as strongSwan tells them."""
        found = self.vici.stream("list-sas", "list-sa", {"noblock": "no"})
        return [sa for each in found for sa in each.values() if sa.get("state") == "ESTABLISHED"]

    def child_sas(self):
        return [child for sa in self.sas() for child in sa.get("child-sas", {}).values()
                if child["state"] == "INSTALLED"]

    def children(self):
        return {(int(each["spi-in"], 16), int(each["spi-out"], 16)) for each in self.child_sas()}

    def ike_spis(self):
        return {(sa["initiator-spi"], sa["responder-spi"]) for sa in self.sas()}

    def carried(self):
        """Bytes in and out of all CHILD SAs that stand."""
        sas = self.child_sas()
        return tuple(sum(int(each[key]) for each in sas) for key in ("bytes-in", "bytes-out"))

    up = initiate

    def down(self):
        self.ask("terminate", {"ike": "peer", "timeout": int(self.world.patience(20) * 1000), "loglevel": 0})

    def close_child(self):
        self.ask("terminate", {"child": "net", "timeout": int(self.world.patience(20) * 1000), "loglevel": 0})

    def _rekey(self, message, look, what):
        before = look()
        self.ask("rekey", message)
        eventually(lambda: (now := look()) and not now & before, self.world.patience(20), f"{self} has a new {what}")

    def rekey_child(self):
        self._rekey({"child": "net"}, self.children, "CHILD SA")

    def rekey_ike(self):
        self._rekey({"ike": "peer"}, self.ike_spis, "IKE SA")

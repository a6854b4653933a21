#!/usr/bin/env python3
"""Side-by-side benchmark of HTTP -> HTTPS reverse proxies that inject a bearer token.

Every proxy listens on plain HTTP on 127.0.0.1 and forwards to one nginx HTTPS upstream that
answers 401 unless the expected Authorization header arrives, so a proxy that does not inject
the token fails its run. All proxies of a run are alive at once and are measured in turn
(A B C A B C ...); the tables hold medians over the rounds and ratios to the baseline.

  ./bench.py --quick                             # nginx, haproxy (whatever is installed)
  ./bench.py --sut 'mine:/path/to/bin --listen 127.0.0.1:{port} --upstream https://localhost:{up1} ...:18101'
  ./bench.py --peers nginx,haproxy,envoy,go --metrics sat,c1,rate,bulk,rss,start --rounds 5

A --sut is 'name:start command:port'; {port} {up1} {up2} {ca} {token} {workers} are filled in.
See README.md for what each metric means.
"""
import argparse, json, os, re, resource, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "..", "target")
# The binaries under test: SIDECAR_BIN, or what `cargo build --release` leaves; IMAGE_BIN, or what
# `config/package/build static` leaves for the image.
SIDECARS = {
    "sidecar": os.environ.get("SIDECAR_BIN") or shutil.which(f"{TARGET}/release/webwork-sidecar"),
    "image": os.environ.get("IMAGE_BIN") or shutil.which(f"{TARGET}/package/static/webwork-sidecar"),
}
TOKEN = "bench-token-0123456789abcdef0123456789abcdef0123456789abcdef"
UP1, UP2 = 18443, 18444
BASE_PORT = 18001
JSON1K = json.dumps({"ok": True, "items": [{"id": i, "name": "item-%04d" % i, "state": "running"}
                                          for i in range(19)]})[:1024].ljust(1024, " ")


def med(xs):
    xs = [x for x in xs if x is not None]
    return statistics.median(xs) if xs else None


# ---------------------------------------------------------------- processes
def tree(pid):
    """pid and all its descendants."""
    kids = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                with open(f"/proc/{d}/stat") as f:
                    ppid = int(f.read().rsplit(")", 1)[1].split()[1])
                kids.setdefault(ppid, []).append(int(d))
            except (OSError, IndexError):
                pass
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out


def cpu_ns(pid):
    """CPU time used so far by a process tree, in nanoseconds."""
    total = 0
    for p in tree(pid):
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total


def mem_kib(pid):
    """(RSS, PSS) of a process tree in KiB."""
    rss = pss = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                for line in f:
                    if line.startswith("Rss:"):
                        rss += int(line.split()[1])
                    elif line.startswith("Pss:"):
                        pss += int(line.split()[1])
        except OSError:
            pass
    return rss, pss


class Proc:
    def __init__(self, name, cmd, port, cpus, env=None, log=None):
        self.name, self.cmd, self.port, self.cpus, self.env = name, cmd, port, cpus, env or {}
        self.log, self.p = log, None

    def start(self):
        def pre():
            if self.cpus:
                os.sched_setaffinity(0, self.cpus)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.p = subprocess.Popen(self.cmd, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                  preexec_fn=pre, env={**os.environ, **self.env}, start_new_session=True)

    def stop(self):
        if not self.p:
            return
        pids = tree(self.p.pid)
        if self.p.poll() is None:
            self.p.terminate()
        try:
            self.p.wait(3)
        except subprocess.TimeoutExpired:
            pass
        for p in pids:  # only pids recorded as ours
            if p != self.p.pid or self.p.poll() is None:
                try:
                    os.kill(p, signal.SIGKILL)
                except OSError:
                    pass
        self.p.wait()
        self.p = None


def get(port, path="/api/1k", timeout=2.0):
    """One GET; returns (status, body length)."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while True:
            b = s.recv(65536)
            data += b
            head, _, body = data.partition(b"\r\n\r\n")
            m = re.search(rb"content-length: *(\d+)", head, re.I)
            if not b or (m and len(body) >= int(m.group(1))):
                break
    return int(head.split(b" ", 2)[1]), len(body)


def wait_ready(proc, limit=15.0):
    t0 = time.monotonic()
    while time.monotonic() - t0 < limit:
        if proc.p.poll() is not None:
            raise RuntimeError(f"{proc.name} exited with {proc.p.returncode}")
        try:
            st, _ = get(proc.port)
            if st == 200:
                return
            if st == 401:
                raise RuntimeError(f"{proc.name} does not inject the token")
        except (OSError, IndexError, ValueError):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{proc.name} not ready on {proc.port}")


# ---------------------------------------------------------------- load
def to_us(s):
    v, u = re.match(r"([\d.]+)(us|ms|s|m)", s).groups()
    return float(v) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[u]


def wrk(url, conns, secs, cpus, extra=(), threads=1):
    cmd = ["wrk", f"-t{threads}", f"-c{conns}", f"-d{secs}s", "--latency", "--timeout", "10s", *extra, url]
    if cpus:
        cmd = ["taskset", "-c", ",".join(map(str, cpus))] + cmd
    out = subprocess.run(cmd, capture_output=True, text=True, timeout=secs + 60).stdout
    r = {"reqs": 0, "rps": None, "p50": None, "p99": None, "bad": 0, "secs": secs}
    for k, pat in (("p50", r"\s50%\s+(\S+)"), ("p99", r"\s99%\s+(\S+)")):
        m = re.search(pat, out)
        if m:
            r[k] = to_us(m.group(1))
    m = re.search(r"(\d+) requests in ([\d.]+)(m?s),", out)
    if m:
        r["reqs"] = int(m.group(1))
        r["secs"] = float(m.group(2)) * (0.001 if m.group(3) == "ms" else 1)
    m = re.search(r"Requests/sec:\s+([\d.]+)", out)
    if m:
        r["rps"] = float(m.group(1))
    m = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if m:
        r["bad"] += int(m.group(1))
    m = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    if m:
        r["bad"] += sum(map(int, m.groups()))
    return r


def rate_run(port, conns, rps, secs, cpus, path="/api/1k"):
    """Constant-rate load with h2load (HTTP/1.1); latency of every request from its log."""
    fd, log = tempfile.mkstemp(prefix="h2load")
    os.close(fd)
    os.unlink(log)
    cmd = ["h2load", "--h1", f"-c{conns}", f"--rps={rps / conns:.4f}", f"-D{secs}", f"--log-file={log}",
           f"http://127.0.0.1:{port}{path}"]
    if cpus:
        cmd = ["taskset", "-c", ",".join(map(str, cpus))] + cmd
    subprocess.run(cmd, capture_output=True, timeout=secs + 60)
    lat, bad = [], 0
    with open(log) as f:
        for line in f:
            _, st, us = line.split()[:3]
            if st in ("200", "0"):  # h2load 1.52 logs 0 when the reason phrase is empty (haproxy with an h2 server)
                lat.append(int(us))
            else:
                bad += 1
    os.unlink(log)
    lat.sort()
    q = lambda p: float(lat[min(len(lat) - 1, int(len(lat) * p))]) if lat else None
    return {"reqs": len(lat), "bad": bad, "p50": q(.5), "p99": q(.99), "p999": q(.999)}


# ---------------------------------------------------------------- peers
def fill(text, v):
    return re.sub(r"@([A-Z0-9]+)@", lambda m: str(v[m.group(1)]), text)


def find_peers(names, run, v, cpus, logf):
    """Start commands of the known peers that are present on this machine."""
    def conf(src):
        dst = os.path.join(run, f"{n}-{src}")
        with open(os.path.join(HERE, "conf", src)) as f, open(dst, "w") as g:
            g.write(fill(f.read(), v))
        return dst
    out = []
    for i, n in enumerate(names):
        h2 = n.endswith("-h2")  # same proxy with an HTTP/2 upstream
        kind = n[:-3] if h2 else n
        v.update(PORT=BASE_PORT + i, UP=UP2 if h2 else UP1, ALPN="h2" if h2 else "http/1.1",
                 HTTPV="2" if h2 else "1.1", ENVOYPROTO="http2_protocol_options" if h2 else "http_protocol_options")
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"
        which = lambda b: shutil.which(b, path=path)
        env, cmd = {}, None
        if kind == "nginx" and not h2 and which("nginx"):
            cmd = [which("nginx"), "-p", run, "-e", f"{run}/nginx.err", "-c", conf("nginx.conf")]
        elif kind == "haproxy" and which("haproxy"):
            cmd = [which("haproxy"), "-db", "-q", "-f", conf("haproxy.cfg")]
        elif kind == "caddy" and which("caddy"):
            env = {"HOME": run, "XDG_DATA_HOME": run, "XDG_CONFIG_HOME": run, "GOMAXPROCS": str(v["WORKERS"])}
            cmd = [which("caddy"), "run", "--adapter", "caddyfile", "--config", conf("Caddyfile")]
        elif kind == "apache" and not h2 and which("apache2"):
            cmd = [which("apache2"), "-f", conf("apache.conf"), "-DFOREGROUND"]
        elif kind == "envoy" and (os.environ.get("ENVOY_BIN") or which("envoy")):
            cmd = [os.environ.get("ENVOY_BIN") or which("envoy"), "-c", conf("envoy.yaml"), "--concurrency",
                   str(v["WORKERS"]), "--log-level", "error", "--disable-hot-restart"]
        elif kind == "go" and os.environ.get("GOPROXY_BIN"):
            env = {"GOMAXPROCS": str(v["WORKERS"])}
            cmd = [os.environ["GOPROXY_BIN"], f"127.0.0.1:{v['PORT']}", f"https://127.0.0.1:{v['UP']}",
                   f"{v['CERTS']}/ca.pem", TOKEN] + (["h2"] if h2 else [])
        elif SIDECARS.get(kind):
            admin = BASE_PORT + 50 + i
            settings = {"LISTEN__PROXY": f"127.0.0.1:{v['PORT']}", "LISTEN__ADMIN": f"127.0.0.1:{admin}",
                        "UPSTREAM__URL": f"https://localhost:{v['UP']}", "UPSTREAM__CA_FILE": f"{v['CERTS']}/ca.pem",
                        "CREDENTIAL__PERSONAL_ACCESS_TOKEN__TOKEN": TOKEN, "LOG__LEVEL": "error"}
            env = {f"WEBWORK_SIDECAR_{k}": x for k, x in settings.items()}
            cmd = [SIDECARS[kind], "run"]
        if cmd is None:
            print(f"# peer {n}: not found on this machine, skipped", file=sys.stderr)
            continue
        out.append(Proc(n, cmd, v["PORT"], cpus, env, logf))
    return out


def find_suts(suts, v, cpus, logf):
    out = []
    for i, s in enumerate(suts):
        name, rest = s.split(":", 1)
        cmd, port = rest.rsplit(":", 1)
        d = {"port": port, "up1": UP1, "up2": UP2, "ca": f"{v['CERTS']}/ca.pem", "token": TOKEN, "workers": v["WORKERS"]}
        import shlex
        argv = [re.sub(r"\{(\w+)\}", lambda m: str(d.get(m.group(1), m.group(0))), a) for a in shlex.split(cmd)]
        env = {}
        while argv and re.match(r"^[A-Z_][A-Z0-9_]*=", argv[0]):
            k, x = argv.pop(0).split("=", 1)
            env[k] = x
        out.append(Proc(name, argv, int(port), cpus, env, logf))
    return out


# ---------------------------------------------------------------- metrics
class Bench:
    def __init__(self, a, procs, load_cpus, run):
        self.a, self.procs, self.load, self.run = a, procs, load_cpus, run
        self.res = {p.name: {} for p in procs}
        self.direct = {}

    def put(self, name, key, val):
        self.res[name].setdefault(key, []).append(val)

    def loaded(self, p, f, per_req=True):
        c0 = cpu_ns(p.p.pid)
        r = f()
        c1 = cpu_ns(p.p.pid)
        r["cpu_us"] = (c1 - c0) / 1e3
        if r["bad"]:
            self.put(p.name, "errors", r["bad"])
        return r

    def sat(self, secs):
        for p in self.procs:
            r = self.loaded(p, lambda: wrk(f"http://127.0.0.1:{p.port}/api/1k", 64, secs, self.load))
            self.put(p.name, "sat_rps", r["rps"])
            self.put(p.name, "sat_cpu_us", r["cpu_us"] / max(1, r["reqs"]))
            self.put(p.name, "sat_p50", r["p50"])
            self.put(p.name, "sat_p99", r["p99"])
            self.put(p.name, "sat_core", r["cpu_us"] / 1e6 / r["secs"])

    def c1(self, secs):
        d = wrk(f"https://127.0.0.1:{UP1}/api/1k", 1, secs, self.load, ["-H", f"Authorization: Bearer {TOKEN}"])
        self.direct.setdefault("p50", []).append(d["p50"])
        self.direct.setdefault("p99", []).append(d["p99"])
        for p in self.procs:
            r = self.loaded(p, lambda: wrk(f"http://127.0.0.1:{p.port}/api/1k", 1, secs, self.load))
            self.put(p.name, "c1_p50", r["p50"])
            self.put(p.name, "c1_p99", r["p99"])
            self.put(p.name, "c1_added", r["p50"] - d["p50"] if r["p50"] and d["p50"] else None)
            self.put(p.name, "c1_cpu_us", r["cpu_us"] / max(1, r["reqs"]))

    def rate(self, secs, rps=2000):
        for p in self.procs:
            r = self.loaded(p, lambda: rate_run(p.port, 32, rps, secs, self.load))
            self.put(p.name, "rate_p50", r["p50"])
            self.put(p.name, "rate_p99", r["p99"])
            self.put(p.name, "rate_p999", r["p999"])
            self.put(p.name, "rate_cpu_us", r["cpu_us"] / max(1, r["reqs"]))

    def bulk(self, secs):
        lua = os.path.join(self.run, "put.lua")
        with open(lua, "w") as f:
            f.write('local n=0\nwrk.method="PUT"\nwrk.path="/api/up/x"\nwrk.headers["Content-Type"]="application/octet-stream"\n'
                    'wrk.body=string.rep("0123456789abcdef",655360)\n')
        for p in self.procs:
            for key, path, size in (("down64k", "/api/64k", 65536), ("down10m", "/api/10m", 10485760)):
                r = self.loaded(p, lambda: wrk(f"http://127.0.0.1:{p.port}{path}", 4, secs, self.load))
                mib = r["reqs"] * size / 1048576
                self.put(p.name, key + "_mibs", mib / r["secs"])
                self.put(p.name, key + "_cpu_us_mib", r["cpu_us"] / mib if mib else None)
            r = self.loaded(p, lambda: wrk(f"http://127.0.0.1:{p.port}/api/up/x", 2, secs, self.load, ["-s", lua]))
            mib = r["reqs"] * 10
            self.put(p.name, "up10m_mibs", mib / r["secs"])
            self.put(p.name, "up10m_cpu_us_mib", r["cpu_us"] / mib if mib else None)

    def rss(self, levels):
        for p in self.procs:
            p.stop()
            p.start()
            wait_ready(p)
            time.sleep(0.5)
            self.put(p.name, "rss_start", mem_kib(p.p.pid)[1] / 1024)
            for n in levels:
                socks = []
                try:
                    ok = 0
                    for _ in range(n):
                        s = socket.create_connection(("127.0.0.1", p.port), timeout=5)
                        s.sendall(b"GET /api/1k HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % p.port)
                        d = b""
                        while len(d) < 1024 or b"\r\n\r\n" not in d:
                            b = s.recv(65536)
                            if not b:
                                break
                            d += b
                        ok += d.startswith(b"HTTP/1.1 200")
                        socks.append(s)
                    time.sleep(0.5)
                    self.put(p.name, f"rss_{n}", mem_kib(p.p.pid)[1] / 1024 if ok == n else None)
                except OSError as e:
                    print(f"# {p.name}: {n} idle connections: {e} after {len(socks)}", file=sys.stderr)
                finally:
                    for s in socks:
                        s.close()
                time.sleep(0.3)
            p.stop()
            p.start()
            wait_ready(p)

    def start(self, n):
        for p in self.procs:
            p.stop()
        for _ in range(n):
            for p in self.procs:
                t0 = time.perf_counter()
                p.start()
                while time.perf_counter() - t0 < 10:
                    try:
                        if get(p.port)[0] == 200:
                            break
                    except (OSError, IndexError, ValueError):
                        time.sleep(0.0002)
                self.put(p.name, "start_ms", (time.perf_counter() - t0) * 1e3)
                p.stop()
        for p in self.procs:
            p.start()
            wait_ready(p)


GROUPS = [
    ("Saturated, 64 connections, 1 KiB JSON", ["sat_rps", "sat_cpu_us", "sat_p50", "sat_p99", "sat_core"]),
    ("One connection, 1 KiB JSON", ["c1_p50", "c1_p99", "c1_added", "c1_cpu_us"]),
    ("Constant 2000 req/s over 32 connections", ["rate_p50", "rate_p99", "rate_p999", "rate_cpu_us"]),
    ("Bodies", ["down64k_mibs", "down64k_cpu_us_mib", "down10m_mibs", "down10m_cpu_us_mib", "up10m_mibs", "up10m_cpu_us_mib"]),
    ("Memory (PSS, MiB)", None),
    ("Start to first proxied byte", ["start_ms"]),
]
HIGHER = ("rps", "mibs")


def table(b, base):
    names = [p.name for p in b.procs]
    lines = []
    for title, keys in GROUPS:
        if keys is None:
            keys = sorted({k for n in names for k in b.res[n] if k.startswith("rss_")},
                          key=lambda k: -1 if k == "rss_start" else int(k[4:]))
        keys = [k for k in keys if any(k in b.res[n] for n in names)]
        if not keys:
            continue
        lines += ["", f"### {title}", "", "| proxy | " + " | ".join(keys) + " |", "|---|" + "---:|" * len(keys)]
        for n in names:
            row = []
            for k in keys:
                m = med(b.res[n].get(k, []))
                bm = med(b.res[base].get(k, [])) if base in b.res else None
                if m is None:
                    row.append("-")
                else:
                    ratio = f" ({m / bm:.2f}x)" if bm and n != base else ""
                    row.append((f"{m:.0f}" if abs(m) >= 1000 else f"{m:.1f}" if abs(m) >= 10 else f"{m:.2f}") + ratio)
            err = f" (errors {sum(b.res[n]['errors'])})" if b.res[n].get("errors") else ""
            lines.append(f"| {n}{err} | " + " | ".join(row) + " |")
        if title.startswith("One connection") and b.direct:
            lines.append(f"| direct HTTPS | {med(b.direct['p50']):.1f} | {med(b.direct['p99']):.1f} | 0 | - |")
    lines += ["", f"Ratios are to {base}; *_rps and *_mibs: higher is better, all others: lower is better. "
                  "Latencies in microseconds."]
    return "\n".join(lines)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quick", action="store_true", help="2 short rounds, 1 KiB and 64 idle connections only (< 3 min)")
    ap.add_argument("--peers", default="nginx,haproxy", help="of nginx,haproxy,caddy,apache,envoy,go,haproxy-h2,caddy-h2,envoy-h2,go-h2 (or none)")
    ap.add_argument("--sut", action="append", default=[], help="'name:start command:port' (repeatable)")
    ap.add_argument("--metrics", default="sat,c1,rate,bulk,rss,start")
    ap.add_argument("--mode", choices=("pinned", "shared"), default="pinned",
                    help="pinned: proxy on CPU 0, load and upstream on CPU 1; shared: no pinning, one worker per CPU")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--secs", type=int, default=3)
    ap.add_argument("--idle", default="64,1000,10000", help="idle-connection levels of the rss metric")
    ap.add_argument("--base", default="nginx", help="baseline of the ratios")
    ap.add_argument("--json", help="write all raw samples here")
    a = ap.parse_args()
    if a.quick:
        a.rounds, a.secs, a.idle = 2, 1, "64"
    for t in ("nginx", "wrk", "h2load", "openssl", "taskset"):
        if not shutil.which(t, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            sys.exit(f"{t} is missing: apt-get install -y --no-install-recommends nginx wrk nghttp2-client openssl util-linux (and haproxy caddy apache2 as peers)")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ncpu = len(os.sched_getaffinity(0))
    pinned = a.mode == "pinned" and ncpu >= 2
    pcpu, lcpu = ({0}, {1}) if pinned else (None, None)
    run = tempfile.mkdtemp(prefix="proxybench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    certs = os.path.join(run, "certs")
    subprocess.run([os.path.join(HERE, "gen_certs.sh"), certs], check=True, capture_output=True)
    www = os.path.join(run, "www")
    os.makedirs(os.path.join(www, "api", "up"))
    for n, size in (("64k", 65536), ("10m", 10485760)):
        with open(os.path.join(www, "api", n), "wb") as f:
            f.write((b"0123456789abcdef" * (size // 16)))
    v = {"RUN": run, "CERTS": certs, "TOKEN": TOKEN, "UP1": UP1, "UP2": UP2, "JSON1K": JSON1K,
         "WORKERS": 1 if pinned else ncpu, "UPWORKERS": 1 if pinned else ncpu, "PORT": 0}
    upconf = os.path.join(run, "upstream.conf")
    with open(os.path.join(HERE, "conf", "upstream.conf")) as f, open(upconf, "w") as g:
        g.write(fill(f.read(), v))
    logf = open(os.path.join(run, "log"), "wb")
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    up = Proc("upstream", [nginx, "-p", run, "-e", f"{run}/upstream.err", "-c", upconf], UP1, lcpu, log=logf)
    peers = [n for n in a.peers.split(",") if n and n != "none"]
    procs = find_peers(peers, run, v, pcpu, logf) + find_suts(a.sut, v, pcpu, logf)
    metrics = a.metrics.split(",")
    t0 = time.time()
    try:
        up.start()
        time.sleep(0.3)
        if up.p.poll() is not None:
            sys.exit(open(f"{run}/upstream.err").read() + open(f"{run}/log").read())
        for p in list(procs):
            try:
                p.start()
                wait_ready(p)
            except (RuntimeError, OSError) as e:
                print(f"# {p.name}: left out: {e}", file=sys.stderr)
                p.stop()
                procs.remove(p)
        if not procs:
            sys.exit("no proxy to measure; log:\n" + open(f"{run}/log", errors="replace").read()[-3000:])
        b = Bench(a, procs, lcpu, run)
        for p in procs:  # warm-up
            wrk(f"http://127.0.0.1:{p.port}/api/1k", 64, 1, lcpu)
        for r in range(a.rounds):
            if "sat" in metrics:
                b.sat(a.secs)
            if "c1" in metrics:
                b.c1(a.secs)
            if "rate" in metrics:
                b.rate(a.secs)
            if "bulk" in metrics and (r < (a.rounds + 1) // 2):
                b.bulk(1 if a.quick else 2)
            print(f"# round {r + 1}/{a.rounds} done, {time.time() - t0:.0f} s, load {os.getloadavg()[0]:.2f}", file=sys.stderr)
        if "rss" in metrics:
            b.rss([int(x) for x in a.idle.split(",") if x])
        if "start" in metrics:
            b.start(5 if a.quick else 15)
        base = a.base if a.base in b.res else procs[0].name
        print(f"mode {'pinned' if pinned else 'shared'}, {a.rounds} rounds of {a.secs} s, took {time.time() - t0:.0f} s")
        print(table(b, base))
        if a.json:
            with open(a.json, "w") as f:
                json.dump({"res": b.res, "direct": b.direct, "args": vars(a)}, f, indent=1)
    finally:
        for p in procs:
            p.stop()
        up.stop()
        logf.close()
        if os.environ.get("KEEP_RUN"):
            print("# kept", run, file=sys.stderr)
        else:
            shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    main()

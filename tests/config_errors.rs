//! What the operator reads when a configuration is wrong: every message, as it is shown.
//!
//! All cases stand in one snapshot, input above message, to be read as a whole. Every secret in an
//! input contains the word `canary`; no message may.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use webwork_sidecar::account::{Gid, Uid};
use webwork_sidecar::config::{Config, Environment, Errors, Warning, Watched, load};
use webwork_sidecar::proxy::ScopeCheck;
use webwork_sidecar::scope::Rights;
use webwork_sidecar::token::source::Credential;

const TOKEN_FILE: &str = "WEBWORK_SIDECAR_CREDENTIAL__PERSONAL_ACCESS_TOKEN__TOKEN_FILE";
const TOKEN: &str = "WEBWORK_SIDECAR_CREDENTIAL__PERSONAL_ACCESS_TOKEN__TOKEN";

/// One bad configuration.
struct Case {
    name: &'static str,
    toml: Option<Vec<u8>>,
    variables: Vec<(&'static str, OsString)>,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Case {
    /// A file with a mistake, and a credential that is right.
    fn file(name: &'static str, toml: impl AsRef<[u8]>) -> Self {
        Self::bare(name, toml).and_file("token", "canary\n").and(TOKEN_FILE, "token")
    }

    /// A file and nothing else.
    fn bare(name: &'static str, toml: impl AsRef<[u8]>) -> Self {
        let toml = Some(toml.as_ref().to_vec());
        Self { name, toml, variables: Vec::new(), files: Vec::new() }
    }

    /// A variable with a mistake, and a credential that is right.
    fn variable(name: &'static str, variable: &'static str, value: &str) -> Self {
        Self::file(name, "").and(variable, value)
    }

    fn and(mut self, variable: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    fn and_file(mut self, name: &'static str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((name, content.as_ref().to_vec()));
        self
    }

    fn load(&self) -> (Result<Config, Errors>, String) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("directory")).unwrap();
        for (name, content) in &self.files {
            write(&directory.path().join(name), content);
        }
        let path = directory.path().join("sidecar.toml");
        if let Some(toml) = &self.toml {
            write(&path, toml);
        }
        let environment: Environment = self.variables.iter().cloned().collect();
        let result = load(Some(&path), &environment);
        (result, directory.path().display().to_string())
    }

    fn message(&self) -> String {
        match self.load() {
            (Ok(_), _) => panic!("{}: this configuration is accepted", self.name),
            (Err(errors), directory) => errors.to_string().replace(&directory, "/etc/webwork"),
        }
    }
}

fn write(path: &Path, content: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap()
        .write_all(content)
        .unwrap();
}

/// An authorization code credential with some more lines.
fn code(lines: &str) -> String {
    format!(
        "[credential.authorization_code]\nclient_id = \"42\"\nclient_secret = \"canary\"\n{lines}\n"
    )
}

fn syntax() -> Vec<Case> {
    vec![
        Case::file("unclosed quotation mark", "[upstream]\nurl = \"https://api.example\n"),
        Case::file(
            "unclosed quotation mark of a secret",
            "[guard]\ncaller_key = \"canary\nx = 1\n",
        ),
        Case::file("unclosed secret in an unknown key", "[guard]\ncaller_kee = \"canary\n"),
        Case::file("unclosed lines of text", "[upstream]\nurl = \"\"\"https://api.example\n"),
        Case::file("unclosed section", "[upstream\nurl = \"https://api.example\"\n"),
        Case::file("unclosed list", "[guard]\nmethods = [\"GET\", \"POST\"\n"),
        Case::file("no quotation marks", "[upstream]\nconnect_timeout = 5s\n"),
        Case::file("a secret without quotation marks", "[guard]\ncaller_key = canary\n"),
        Case::file("a secret on a line of its own", "canary\n"),
        Case::file("typographic quotation marks", "[log]\nlevel = \u{201c}info\u{201d}\n"),
        Case::file("yes instead of true", "[proxy]\naccess_log = yes\n"),
        Case::file("True instead of true", "[proxy]\naccess_log = True\n"),
        Case::file("a key without a value", "[proxy]\nhold =\n"),
        Case::file("a colon instead of =", "[proxy]\nhold: \"5s\"\n"),
        Case::file("the same key twice", "[proxy]\nhold = \"5s\"\nhold = \"6s\"\n"),
        Case::file("the same section twice", "[proxy]\n[log]\n[proxy]\n"),
        Case::file("a bad escape", "[state]\ndirectory = \"C:\\sidecar\"\n"),
        Case::file("a bad escape in a secret", "[guard]\ncaller_key = \"canary\\q\"\n"),
        Case::file("two keys on one line", "[proxy]\nhold = \"5s\" access_log = true\n"),
        Case::file("JSON", "{ \"upstream\": { \"url\": \"https://api.example\" } }\n"),
        Case::file("a NUL character", "[log]\nlevel = \"in\0fo\"\n"),
        Case::file("several mistakes at once", "[log\nlevel = info\n[proxy]\nhold 5\n"),
        Case::file("not UTF-8", b"[log]\n# caf\xe9\nlevel = \"info\"\n"),
        Case::file("UTF-16", b"\xff\xfe[\0l\0o\0g\0]\0"),
        Case::file("byte order mark before an unknown key", "\u{feff}lock = 1\n"),
        Case::file("line ends of Windows", "[log]\r\nlevel = \"info\"\r\nformat = \"xml\"\r\n"),
        Case::file("a file that is too large", vec![b'#'; (1 << 20) + 1]),
    ]
}

fn unknown() -> Vec<Case> {
    vec![
        Case::file("misspelt key", "[upstream]\nconect_timeout = \"5s\"\n"),
        Case::file("key with dashes", "[upstream]\nconnect-timeout = \"5s\"\n"),
        Case::file("key in the wrong section", "[caller]\naccess_log = true\n"),
        Case::file("key outside its section", "max_fields = 50\n"),
        Case::file("unknown key", "[upstream]\nverify_tls = false\n"),
        Case::file("misspelt section", "[upstrem]\nurl = \"https://api.example\"\n"),
        Case::file("unknown section", "[cache]\nttl = \"5s\"\n"),
        Case::file("misspelt secret", "[guard]\ncaller_kye = \"canary-canary-canary\"\n"),
        Case::file(
            "key in quotation marks with a dot",
            "\"upstream.url\" = \"https://a.example\"\n",
        ),
        Case::bare("misspelt credential", "[credential.personal_token]\ntoken = \"canary\"\n"),
        Case::file("key instead of section", "upstream = \"https://api.example\"\n"),
        Case::file("double brackets", "[[upstream]]\nurl = \"https://api.example\"\n"),
        Case::file("section instead of key", "[upstream.url]\nhost = \"api.example\"\n"),
        Case::variable("variable with one underscore", "WEBWORK_SIDECAR_UPSTREAM_URL", "x"),
        Case::variable("misspelt variable", "WEBWORK_SIDECAR_PROXY__HOLT", "5s"),
        Case::variable("variable in lower case", "WEBWORK_SIDECAR_proxy__hold", "5s"),
        Case::variable("unknown variable", "WEBWORK_SIDECAR_TURBO", "on"),
    ]
}

fn values() -> Vec<Case> {
    vec![
        Case::file("number instead of duration", "[proxy]\nhold = 5\n"),
        Case::file("duration without unit", "[proxy]\nhold = \"5\"\n"),
        Case::file("duration in words", "[proxy]\nhold = \"a while\"\n"),
        Case::file("negative duration", "[proxy]\nhold = \"-5s\"\n"),
        Case::file("zero duration", "[drain]\ntimeout = \"0s\"\n"),
        Case::file("absurd duration", "[upstream]\nconnect_timeout = \"100000d\"\n"),
        Case::file("duration in months", "[refresh]\nrefresh_token_life = \"1 month\"\n"),
        Case::file("empty duration", "[proxy]\nhold = \"\"\n"),
        Case::file("size in decimal units", "[proxy]\nreplay_limit = \"64kb\"\n"),
        Case::file("size out of range", "[caller]\nmax_head = 100\n"),
        Case::file("negative size", "[proxy]\nreplay_limit = -1\n"),
        Case::file("size that overflows", "[proxy]\nreplay_limit = \"99999999999999999MiB\"\n"),
        Case::file("text instead of number", "[caller]\nmax_fields = \"100\"\n"),
        Case::file("fraction instead of number", "[caller]\nmax_fields = 1.5\n"),
        Case::file("number out of range", "[caller]\nmax_connections = 0\n"),
        Case::file("share out of range", "[refresh]\nat = 1.5\n"),
        Case::file("share in percent", "[refresh]\nat = \"66%\"\n"),
        Case::file("share that is not a number", "[refresh]\nat = nan\n"),
        Case::file("text instead of true", "[proxy]\naccess_log = \"true\"\n"),
        Case::file("number instead of true", "[proxy]\naccess_log = 1\n"),
        Case::file("misspelt choice", "[log]\nlevel = \"inof\"\n"),
        Case::file("unknown choice", "[log]\nformat = \"xml\"\n"),
        Case::file("list instead of text", "[upstream]\nurl = [\"https://api.example\"]\n"),
        Case::file("date instead of text", "[log]\nlevel = 2026-01-01\n"),
        Case::file("text instead of list", "[guard]\nmethods = \"GET, POST\"\n"),
        Case::file(
            "everything at once",
            "colour = \"red\"\n[log]\nlevel = 3\n[caller]\nmax_fields = 5\nhead_timeout = \"1y\"\n",
        )
        .and("WEBWORK_SIDECAR_PROXY__HOLD", "soon"),
        Case::variable("variable in quotation marks", "WEBWORK_SIDECAR_PROXY__HOLD", "\"5s\""),
        Case::variable("secret in quotation marks", TOKEN, "'canary'"),
        Case::file("variable that is not text", "")
            .and("WEBWORK_SIDECAR_PROXY__HOLD", OsString::from_vec(b"5\xff".to_vec())),
        Case::variable("yes in a variable", "WEBWORK_SIDECAR_PROXY__ACCESS_LOG", "yes"),
        Case::variable("text in a variable", "WEBWORK_SIDECAR_CALLER__MAX_FIELDS", "many"),
        Case::variable("bad item in a variable", "WEBWORK_SIDECAR_GUARD__METHODS", "GET,FETCH"),
    ]
}

fn listening() -> Vec<Case> {
    let long = format!("[listen]\nproxy = [\"unix:/{}\"]\n", "s".repeat(110));
    let listen = |name, lines: &str| Case::file(name, format!("[listen]\n{lines}\n"));
    vec![
        listen("mode of a socket as a number", "socket_mode = 0o660"),
        listen("mode of a socket that is none", "socket_mode = \"rw\""),
        listen("mode of a socket without the owner", "socket_mode = \"0060\""),
        listen("mode of a socket with more bits", "socket_mode = \"4600\""),
        listen("owner of a socket that is not there", "socket_owner = \"no-such-user:root\""),
        listen("group of a socket that is not there", "socket_owner = \":no-such-group\""),
        listen("no owner of a socket", "socket_owner = \":\""),
        listen("host name instead of address", "proxy = [\"localhost:9180\"]"),
        listen("address without port", "proxy = [\"127.0.0.1\"]"),
        listen("port without address", "proxy = [\":9180\"]"),
        listen("port too large", "proxy = [\"127.0.0.1:91800\"]"),
        listen("port as a number", "proxy = [9180]"),
        listen("path of a socket without unix:", "proxy = [\"/run/sidecar.sock\"]"),
        listen("relative path of a socket", "proxy = [\"unix:sidecar.sock\"]"),
        Case::file("path of a socket too long", long),
        listen("nobody can call", "proxy = []"),
        listen("address of the network", "proxy = [\"0.0.0.0:9180\"]"),
        listen("admin on the network", "admin = [\"192.0.2.1:9181\", \"[::]:9181\"]"),
        listen("same address twice", "proxy = [\n  \"127.0.0.1:9180\",\n  \"127.0.0.1:9180\",\n]"),
        listen("proxy and admin on one port", "admin = [\"127.0.0.1:9180\"]"),
        listen("proxy on the port of admin", "proxy = [\"127.0.0.1:9181\"]"),
        listen(
            "proxy and admin on one socket",
            "proxy = [\"unix:/run/s.sock\"]\nadmin = [\"unix:/run/s.sock\"]",
        ),
        Case::file("metrics on the port of health", METRICS_AND_HEALTH),
    ]
}

const METRICS_AND_HEALTH: &str =
    "[metrics]\nlisten = [\"0.0.0.0:9182\"]\n[health]\nlisten = [\"[::]:9182\"]\n";

fn guarding() -> Vec<Case> {
    let guard = |name, lines: &str| Case::file(name, format!("[guard]\n{lines}\n"));
    vec![
        guard("host with a scheme", "hosts = [\"http://sidecar:9180/\"]"),
        guard("host with a pattern", "hosts = [\"*.example\"]"),
        guard("host with a bad port", "hosts = [\"sidecar:http\"]"),
        guard("host for everything", "hosts = [\"0.0.0.0\"]"),
        guard("host with a password", "hosts = [\"me:canary@sidecar\"]"),
        guard("origin with a path", "origins = [\"https://app.example/\"]"),
        guard("origin without a scheme", "origins = [\"app.example\"]"),
        guard("every origin", "origins = [\"*\"]"),
        guard("method in lower case", "methods = [\"get\"]"),
        guard("bad methods", "methods = [\"GET\", \"CONNECT\", \"G T\"]"),
        guard("no methods", "methods = []"),
        guard("path without slashes", "paths = [\"api\"]"),
        guard("path with a pattern", "paths = [\"/api/*\"]"),
        guard("path that climbs", "paths = [\"/api/../\"]"),
        guard("path of the authorization server", "paths = [\"/api/\", \"/oauth/\"]"),
        guard("every path", "paths = [\"/\"]"),
        guard("rule without a path", "rules = [\"GET\"]"),
        guard("rule with a bad method", "rules = [\"GET,get /api/v2/**\"]"),
        guard("rule with half a wildcard", "rules = [\"GET /api/v*\", \"GET /api/**/x\"]"),
        guard("rule that climbs", "rules = [\"GET /api/../x\"]"),
        guard("rule to where tokens are made", "rules = [\"GET /api/v2/oauth/**\"]"),
        guard("rule outside of the paths", "rules = [\"GET /v2/**\"]"),
        guard("rules as text", "rules = \"GET /api/v2/**\""),
        guard("rules as a number", "rules = 1"),
        Case::variable(
            "bad rules in a variable",
            "WEBWORK_SIDECAR_GUARD__RULES",
            "GET,HEAD /api/**,PUT",
        ),
        guard("read_only as text", "read_only = \"yes\""),
        guard("read_only leaves nothing", "read_only = true\nmethods = [\"POST\"]"),
        guard("scope that is none", "scope = [\"reed\"]"),
        guard("field that everybody sends", "required_field = \"Accept\""),
        guard("field that proxies send", "required_field = \"X-Forwarded-For\""),
        guard("field with an underscore", "required_field = \"X_Proxy\""),
        guard("field of the key", "required_field = \"X-Sidecar-Key\""),
        guard("account over TCP", "uids = [0]"),
        guard("group over TCP", "gids = [\"root\", 0]"),
        guard("no rule, user or group", "rules = []\nuids = []\ngids = []"),
        guard("user that is not there", "uids = [\"no-such-user\", -1, 4294967295, \"\", true]"),
        guard("short caller key", "caller_key = \"canary\""),
        guard("caller key with spaces", "caller_key = \"canary canary canary\""),
    ]
}

fn addresses() -> Vec<Case> {
    let upstream = |name, lines: &str| Case::file(name, format!("[upstream]\n{lines}\n"));
    let redirect = |name, uri: &str| Case::bare(name, code(&format!("redirect_uri = \"{uri}\"")));
    vec![
        upstream("upstream without TLS", "url = \"http://api.example\""),
        upstream("upstream without scheme", "url = \"api.example\""),
        upstream("upstream with a path", "url = \"https://api.example/api/v2\""),
        upstream("upstream with a password", "url = \"https://me:canary@api.example\""),
        upstream(
            "upstream with a password and a bad port",
            "url = \"https://me:canary@api.example:x\"",
        ),
        upstream("authorities missing", "ca_file = \"ca.pem\""),
        upstream("authorities in a directory", "ca_file = \"directory\""),
        upstream("authorities without certificate", "ca_file = \"token\""),
        upstream("authorities damaged", "ca_file = \"ca.pem\"")
            .and_file("ca.pem", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n"),
        Case::file("state in a file", "[state]\ndirectory = \"token\"\n"),
        redirect("redirect URI with a fragment", "https://app.example/callback#top"),
        redirect("relative redirect URI", "/callback"),
        redirect("redirect URI without scheme", "127.0.0.1:9181/callback"),
        redirect("redirect URI of another scheme", "webwork:/callback"),
        redirect("redirect URI without TLS", "http://app.example/callback"),
        redirect("redirect URI with a space", "http://127.0.0.1:9181/call back"),
        Case::bare(
            "token endpoint without TLS",
            code("token_url = \"http://api.example/oauth/token\""),
        ),
        Case::bare(
            "authorization endpoint without TLS",
            code("authorize_url = \"http://a.example/oauth/authorize\""),
        ),
        Case::bare(
            "authorization endpoint with a fragment",
            code("authorize_url = \"https://a.example/#x\""),
        ),
    ]
}

fn proxies() -> Vec<Case> {
    let proxy = |name, url: &str| Case::file(name, format!("[upstream]\nproxy = {url:?}\n"));
    vec![
        proxy("proxy that is no URL", "two words"),
        proxy("proxy over TLS", "https://me:canary@proxy.example"),
        proxy("proxy that speaks SOCKS", "socks5h://me:canary@proxy.example:1080"),
        proxy("proxy with a path", "http://me:canary@proxy.example/path"),
        proxy("proxy without a host", "http://me:canary@"),
        Case::file(
            "proxy in broken quotation marks",
            "[upstream]\nproxy = \"http://me:can\"ary@proxy.example\"\n",
        ),
        Case::file("proxy twice", "[upstream]\nproxy = \"none\"\nproxy_file = \"proxy\"\n"),
        Case::file("proxy file missing", "[upstream]\nproxy_file = \"proxy\"\n"),
        Case::variable("SOCKS in the environment", "ALL_PROXY", "socks5://me:canary@proxy:1080"),
        Case::variable("proxy over TLS in the environment", "https_proxy", "https://proxy:3128"),
        Case::bare("proxy of both origins in the environment", code(""))
            .and("HTTPS_PROXY", "http://me:canary@proxy/path"),
        Case::file("proxy in the environment that is not text", "")
            .and("HTTPS_PROXY", OsString::from_vec(b"proxy\xff".to_vec())),
    ]
}

fn credentials() -> Vec<Case> {
    let personal = |name, lines: &str| {
        Case::bare(name, format!("[credential.personal_access_token]\n{lines}\n"))
    };
    let pasted = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9canarycanary".to_owned();
    vec![
        Case::bare("no credential", "[upstream]\nurl = \"https://api.example\"\n"),
        Case::bare("empty file", ""),
        Case::file("two credentials", code("")),
        Case::bare(
            "three credentials",
            code("[credential.client_credentials]\n[credential.personal_access_token]"),
        ),
        personal("empty section", ""),
        Case::bare("app without anything", "[credential.client_credentials]\n"),
        Case::bare("app with an empty ID", "[credential.authorization_code]\nclient_id = \"\"\n"),
        Case::bare("ID as a number", "[credential.authorization_code]\nclient_id = 42\n"),
        Case::bare(
            "Basic without a secret",
            "[credential.authorization_code]\nclient_id = \"42\"\nclient_authentication = \"basic\"\n",
        ),
        Case::bare("unknown client authentication", code("client_authentication = \"post\"")),
        Case::bare("bad characters in a scope", code("scope = [\"read\", \"wr\\\"ite\"]")),
        Case::bare("scopes as the wire writes them", code("scope = \"read write\"")),
        Case::bare("scopes in one item", code("scope = [\"read write\"]")),
        Case::bare("secret twice", code("client_secret_file = \"secret\"")),
        Case::bare("key for another credential", code("token = \"canary\"")),
        personal("empty secret", "token = \"\""),
        personal("secret that is a number", "token = 1234567890"),
        personal("token with spaces", "token = \"canary canary\""),
        personal("token with its scheme", "token = \"Bearer canary\""),
        personal("token with several lines", "token = \"\"\"canary\ncanary\"\"\""),
        personal("secret file missing", "token_file = \"missing\""),
        personal("secret file missing among systemd's too", "token_file = \"missing\"")
            .and("CREDENTIALS_DIRECTORY", "/run/credentials/sidecar"),
        personal("secret file is a directory", "token_file = \"directory\""),
        personal("secret file is a device", "token_file = \"/dev/null\""),
        personal("secret file below a file", "token_file = \"token/below\"")
            .and_file("token", "canary"),
        personal("secret file empty", "token_file = \"t\"").and_file("t", "\n"),
        personal("secret file too large", "token_file = \"t\"").and_file("t", vec![b'a'; 65537]),
        personal("secret file not text", "token_file = \"t\"").and_file("t", b"canary\xff"),
        personal("secret file with two lines", "token_file = \"t\"")
            .and_file("t", "canary\ncanary\n"),
        personal("secret file with spaces", "token_file = \"t\"").and_file("t", "canary canary\n"),
        personal("secret file in UTF-16", "token_file = \"t\"")
            .and_file("t", b"\xff\xfec\0a\0n\0a\0r\0y\0\r\0\n\0"),
        personal("secret file with a NUL", "token_file = \"t\"").and_file("t", "canary\0\n"),
        personal("secret file with an assignment", "token_file = \"t\"")
            .and_file("t", "TOKEN=eyJcanary\n"),
        personal("secret file for a shell", "token_file = \"t\"")
            .and_file("t", "export X='canary'\n"),
        personal("secret file with variables", "token_file = \"t\"")
            .and_file("t", "ID=1\nTOKEN=canary\n"),
        personal("secret file with quotation marks", "token_file = \"t\"")
            .and_file("t", "\"canary\"\n"),
        personal("secret file with JSON", "token_file = \"t\"")
            .and_file("t", "{\n  \"access_token\": \"canary\"\n}\n"),
        personal("secret file with a field", "token_file = \"t\"")
            .and_file("t", "Authorization: Bearer canary\n"),
        Case::bare(
            "client secret with its name",
            code("").replace("\"canary\"", "\"SECRET=canary\""),
        ),
        Case::bare("refresh token with quotation marks", code("refresh_token_file = \"t\""))
            .and_file("t", "'canary'\n"),
        Case::bare("assignment in the environment", "").and(TOKEN, "TOKEN=canary"),
        personal("secret instead of its file", &format!("token_file = \"{pasted}\"")),
        personal("secret file without a name", "token_file = \"\""),
        personal("secret file in a home directory", "token_file = \"~/token\""),
        Case::file("state in a home directory", "[state]\ndirectory = \"~/state\"\n"),
        Case::file("state in a variable", "[state]\ndirectory = \"${HOME}/state\"\n"),
        Case::bare("secret twice in the environment", "")
            .and(TOKEN, "canary")
            .and(TOKEN_FILE, "/run/token"),
        Case::bare("empty secret in the environment", "").and(TOKEN, ""),
        Case::bare("bad secret in the environment", "").and(TOKEN, "canary\ncanary"),
        Case::bare("secret file missing in the environment", "").and(TOKEN_FILE, "missing"),
    ]
}

fn combinations() -> Vec<Case> {
    vec![
        Case::file(
            "target larger than head",
            "[caller]\nmax_head = \"8KiB\"\nmax_target = \"8KiB\"\n",
        ),
        Case::file(
            "exchange shorter than its connection",
            "[exchange]\nconnect_timeout = \"60s\"\ntimeout = \"10s\"\n",
        ),
        Case { toml: None, ..Case::bare("no such file", "") },
    ]
}

fn cases() -> Vec<Case> {
    [
        syntax(),
        unknown(),
        values(),
        listening(),
        guarding(),
        addresses(),
        proxies(),
        credentials(),
        combinations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Input above message, as a person would see them.
fn shown(case: &Case) -> String {
    let mut text = format!("━━━ {}\n\n", case.name);
    for (name, value) in &case.variables {
        text.push_str(&format!("  {name}={value:?}\n"));
    }
    for line in String::from_utf8_lossy(case.toml.as_deref().unwrap_or_default()).lines() {
        let escaped: String = line.chars().take(120).flat_map(escaped).collect();
        text.push_str(&format!("  {escaped}\n"));
    }
    format!("{text}\n{}\n\n", case.message())
}

fn escaped(character: char) -> Vec<char> {
    if character.is_control() || character == '\u{feff}' {
        character.escape_unicode().collect()
    } else {
        vec![character]
    }
}

#[test]
fn every_mistake_has_a_message_that_says_what_to_do() {
    let cases = cases();
    assert!(cases.len() >= 45, "only {} cases", cases.len());
    insta::assert_snapshot!(cases.iter().map(shown).collect::<String>());
}

#[test]
fn no_message_contains_a_secret() {
    for case in cases() {
        let (result, _) = case.load();
        let errors = result.unwrap_err();
        for text in [errors.to_string(), format!("{errors:?}")] {
            assert!(!text.contains("canary"), "{}: {text}", case.name);
        }
    }
}

/// A configuration with every secret in the file, to be damaged.
const SECRETS: &str = r#"[guard]
caller_key = "canary-canary-canary"
hosts = ["sidecar"]
[credential.authorization_code]
client_id = "42"
client_secret = 'canary'
scope = ["read", "write"]
refresh_token = """canary canary"""
[upstream]
url = "https://api.example"
credential = { personal_access_token = { token = "canary" } }
"#;

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn no_damage_to_a_file_makes_a_message_show_a_secret(
        at in 0..SECRETS.len(),
        removed in 0..4_usize,
        inserted in "[a\"'=#\\[\\]{},. \n\\\\\u{0}\u{e9}]{0,2}",
    ) {
        let mut text = SECRETS.to_owned();
        text.replace_range(at..(at + removed).min(SECRETS.len()), &inserted);
        let (result, _) = Case::bare("", &text).load();
        let shown = match result {
            Ok(config) => format!("{config:?}"),
            Err(errors) => errors.to_string(),
        };
        // What was damaged itself may be half of the word.
        proptest::prop_assert!(!shown.contains("canar") && !shown.contains("anary"), "{text}\n{shown}");
    }
}

#[test]
fn a_directory_is_not_a_configuration_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = load(Some(directory.path()), &Environment::default()).unwrap_err().to_string();
    assert!(error.ends_with("the configuration file is a directory, not a file"), "{error}");
}

#[test]
fn the_environment_goes_before_the_file() {
    let case = Case::file("", "[proxy]\nhold = \"5s\"\n[upstream]\nurl = \"https://a.example\"\n")
        .and("WEBWORK_SIDECAR_PROXY__HOLD", "7s")
        .and("WEBWORK_SIDECAR_GUARD__METHODS", "GET, HEAD")
        .and("WEBWORK_SIDECAR_LISTEN__ADMIN", "");
    let config = case.load().0.unwrap();
    assert_eq!(config.proxy.hold.as_secs(), 7);
    assert_eq!(config.guard.methods, ["GET", "HEAD"]);
    // An empty one counts as unset.
    assert_eq!(config.listen.admin.len(), 2);
    assert_eq!(config.upstream.origin.to_string(), "https://a.example");
}

#[test]
fn a_secret_of_the_environment_goes_before_the_files_twin() {
    let toml = "[credential.personal_access_token]\ntoken_file = \"missing\"\n";
    let config = Case::bare("", toml).and(TOKEN, "from-environment").load().0.unwrap();
    let token = format!("{:?}", config.token.credential);
    let same = Case::bare("", "").and(TOKEN, "from-environment").load().0.unwrap();
    assert_eq!(token, format!("{:?}", same.token.credential));
    assert_eq!(config.warnings, [Warning::SecretInEnvironment { variable: TOKEN.into() }]);
    assert_eq!(config.watched.len(), 1);
}

#[test]
fn the_token_endpoint_follows_the_upstream() {
    use webwork_sidecar::token::source::Credential;
    let toml = format!("[upstream]\nurl = \"http://127.0.0.1:8080\"\n{}", code(""));
    let config = Case::bare("", toml).load().0.unwrap();
    let Credential::AuthorizationCode(app) = config.token.credential else { panic!("not the app") };
    assert_eq!(app.registration.token_url.as_str(), "http://127.0.0.1:8080/oauth/token");
    assert_eq!(app.authorize_url.as_str(), "https://webwork-tracker.com/oauth/authorize");
}

#[test]
fn an_open_address_is_possible_and_warned_about() {
    let toml = "[listen]\nproxy = [\"0.0.0.0:9180\"]\nallow_any_address = true\n";
    let config = Case::file("", toml).load().0.unwrap();
    let address = config.listen.proxy[0].clone();
    let expected =
        [Warning::OpenAddress { address: address.clone() }, Warning::NoHosts { address }];
    assert_eq!(config.warnings, expected);

    let toml = "[listen]\nproxy = [\"0.0.0.0:9180\"]\n[guard]\nhosts = [\"sidecar\"]\n\
                caller_key = \"0123456789abcdef\"\n";
    assert_eq!(Case::file("", toml).load().0.unwrap().warnings, []);
}

#[test]
fn a_socket_for_everybody_is_possible_and_warned_about() {
    let toml = "[listen]\nproxy = [\"unix:/run/proxy.sock\"]\nsocket_mode = \"666\"\n";
    let config = Case::file("", toml).load().0.unwrap();
    let address = config.listen.proxy[0].clone();
    assert_eq!(config.warnings, [Warning::OpenSocket { address }]);
    for protection in ["uids = [1000]", "gids = [\"root\"]", "caller_key = \"0123456789abcdef\""] {
        let toml = format!("{toml}[guard]\n{protection}\n");
        assert_eq!(Case::file("", toml).load().0.unwrap().warnings, [], "{protection}");
    }
}

#[test]
fn names_of_accounts_become_numbers() {
    let toml = "[listen]\nproxy = [\"unix:/run/proxy.sock\"]\nsocket_owner = \"root:7\"\n\
                [guard]\nuids = [\"root\", 1000, \"1001\"]\ngids = [0]\n";
    let config = Case::file("", toml).load().0.unwrap();
    assert_eq!(config.guard.uids, [Uid(0), Uid(1000), Uid(1001)]);
    assert_eq!(config.guard.gids, [Gid(0)]);
    let permissions = config.listen.permissions;
    assert_eq!((permissions.uid, permissions.gid), (Some(Uid(0)), Some(Gid(7))));
    let config = Case::file("", "[listen]\nproxy = [\"unix:/run/proxy.sock\"]\n")
        .and("WEBWORK_SIDECAR_GUARD__UIDS", "root, 1000")
        .load();
    assert_eq!(config.0.unwrap().guard.uids, [Uid(0), Uid(1000)]);
}

#[test]
fn rules_in_a_variable_keep_their_methods_together() {
    let case = Case::variable(
        "",
        "WEBWORK_SIDECAR_GUARD__RULES",
        "GET,HEAD /api/v2/**, POST /api/v2/time-tracking/*",
    );
    let toml = "[guard]\nrules = [\"GET,HEAD /api/v2/**\", \"POST /api/v2/time-tracking/*\"]\n";
    let expected = Case::file("", toml).load().0.unwrap().guard.rules;
    assert_eq!(expected.len(), 2);
    assert_eq!(case.load().0.unwrap().guard.rules, expected);
}

#[test]
fn read_only_leaves_the_methods_that_read() {
    let toml = "[guard]\nread_only = true\nmethods = [\"GET\", \"POST\", \"OPTIONS\"]\n";
    let config = Case::file("", toml).load().0.unwrap();
    assert_eq!(config.guard.methods, ["GET", "OPTIONS"]);
}

#[test]
fn the_word_on_the_scope_is_the_tokens_the_operators_or_the_upstreams() {
    for (lines, expected) in [
        ("", ScopeCheck::Token),
        ("scope = [\"write\", \"read\"]", ScopeCheck::Operator(Rights::ReadWrite)),
        ("scope = [\"admin\"]", ScopeCheck::Operator(Rights::All)),
        ("check_scope = false", ScopeCheck::Off),
        ("check_scope = false\nscope = [\"read\"]", ScopeCheck::Off),
    ] {
        let config = Case::file("", format!("[guard]\n{lines}\n")).load().0.unwrap();
        assert_eq!(config.proxy.scope_check, expected, "{lines}");
    }
}

#[test]
fn http_to_another_host_is_possible_and_warned_about() {
    let toml = "[upstream]\nurl = \"http://api.staging.example:8080\"\nallow_plaintext = true\n";
    let config = Case::file("", toml).load().0.unwrap();
    let origin = config.upstream.origin.clone();
    assert_eq!(origin.to_string(), "http://api.staging.example:8080");
    assert_eq!(config.warnings, [Warning::Plaintext { key: "upstream.url".into(), origin }]);

    let lines = "token_url = \"http://auth.staging.example/oauth/token\"";
    let toml = format!("[upstream]\nallow_plaintext = true\n{}", code(lines));
    let config = Case::bare("", toml).load().0.unwrap();
    let [Warning::Plaintext { key, origin }] = &config.warnings[..] else {
        panic!("{:?}", config.warnings)
    };
    assert_eq!(key, "credential.authorization_code.token_url");
    assert_eq!(origin.to_string(), "http://auth.staging.example");
}

/// The ways to the upstream and to the token endpoint.
fn ways(upstream: &str, variables: &[(&'static str, &str)]) -> (String, String) {
    let toml = format!("[upstream]\n{upstream}\n{}", code(""));
    let case =
        variables.iter().fold(Case::bare("", toml), |case, (name, value)| case.and(name, *value));
    let config = case.load().0.unwrap_or_else(|errors| panic!("{errors}"));
    let app = config.token.credential.registration().unwrap();
    (config.upstream.route.to_string(), app.route.to_string())
}

#[test]
fn the_environment_names_the_proxy_as_it_does_for_other_programs() {
    let both = |way: &str| (way.to_owned(), way.to_owned());
    for (variables, way) in [
        (&[("HTTPS_PROXY", "http://one:3128")][..], "one:3128"),
        (&[("https_proxy", "one:3128")], "one:3128"),
        (&[("ALL_PROXY", "http://me:pass@one")], "one:80"),
        (&[("HTTPS_PROXY", "one"), ("ALL_PROXY", "socks5://two")], "one:80"),
        (&[("HTTPS_PROXY", ""), ("https_proxy", "one")], "one:80"),
        (&[("HTTP_PROXY", "one")], "none"),
        (&[("HTTPS_PROXY", "one"), ("NO_PROXY", "localhost,.example")], "none"),
        (&[("HTTPS_PROXY", "one"), ("no_proxy", "a.example, api.example")], "none"),
        (&[("HTTPS_PROXY", "one"), ("NO_PROXY", "*")], "none"),
        (&[("HTTPS_PROXY", "one"), ("NO_PROXY", "pi.example,example.com")], "one:80"),
        (&[("ALL_PROXY", "socks5://one"), ("NO_PROXY", "example")], "none"),
    ] {
        assert_eq!(ways("url = \"https://api.example\"", variables), both(way), "{variables:?}");
    }
    let environment = &[("HTTPS_PROXY", "one"), ("NO_PROXY", "192.0.2.0/24")];
    assert_eq!(ways("url = \"https://192.0.2.7\"", environment), both("none"));
    assert_eq!(ways("url = \"https://198.51.100.7\"", environment), both("one:80"));
}

#[test]
fn an_http_address_of_this_host_is_reached_through_a_proxy_only_by_the_configuration() {
    let environment = &[("HTTPS_PROXY", "one"), ("HTTP_PROXY", "one")];
    let both = |way: &str| (way.to_owned(), way.to_owned());
    let way = |url: &str, more: &str| ways(&format!("url = {url:?}\n{more}"), environment);
    assert_eq!(way("http://127.0.0.1:8080", ""), both("none"));
    for url in ["https://localhost:8443", "https://127.0.0.1:8443", "https://[::1]"] {
        assert_eq!(way(url, ""), both("one:80"), "{url}");
    }
    for url in ["https://localhost:8443", "http://127.0.0.1:8080"] {
        assert_eq!(way(url, "proxy = \"two:3128\""), both("two:3128"), "{url}");
    }
    let exempt = &[("HTTPS_PROXY", "one"), ("NO_PROXY", "localhost")];
    assert_eq!(ways("url = \"https://localhost:8443\"", exempt), both("none"));
    let plain = "url = \"http://api.example\"\nallow_plaintext = true";
    assert_eq!(ways(plain, environment), both("one:80"));
    let none = "url = \"https://api.example\"\nproxy = \"none\"";
    assert_eq!(ways(none, environment), both("none"));
}

#[test]
fn only_a_proxy_with_a_password_is_a_secret() {
    let warnings =
        |variable, url: &str| Case::file("", "").and(variable, url).load().0.unwrap().warnings;
    const OURS: &str = "WEBWORK_SIDECAR_UPSTREAM__PROXY";
    assert_eq!(warnings(OURS, "http://proxy:3128"), []);
    assert_eq!(warnings(OURS, "none"), []);
    let warned = [Warning::SecretInEnvironment { variable: OURS.into() }];
    assert_eq!(warnings(OURS, "http://me:canary@proxy:3128"), warned);
    assert_eq!(warnings("HTTPS_PROXY", "http://proxy:3128"), []);
    let warned = [Warning::ProxyPasswordInEnvironment { variable: "HTTPS_PROXY".into() }];
    assert_eq!(warnings("HTTPS_PROXY", "http://me:canary@proxy:3128"), warned);
}

#[test]
fn a_secret_file_that_others_can_read_is_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let (path, token) = (directory.path().join("a.toml"), directory.path().join("token"));
    write(&path, b"[credential.personal_access_token]\ntoken_file = \"token\"\n");
    write(&token, b"canary\r\n");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let config = load(Some(&path), &Environment::default()).unwrap();
    assert_eq!(config.warnings, [Warning::SecretReadable { path: token.clone(), mode: 0o644 }]);
    assert!(config.watched.iter().map(Watched::path).eq([&path, &token]));
}

#[test]
fn metrics_are_served_at_any_address_without_a_key_or_a_warning() {
    let toml =
        "[metrics]\nlisten = [\"0.0.0.0:9183\", \"[::]:9183\", \"unix:/run/metrics.sock\"]\n";
    let config = Case::file("", toml).load().0.unwrap();
    assert_eq!((config.listen.metrics.len(), config.warnings), (3, Vec::new()));
    let config = Case::file("", "").load().0.unwrap();
    assert_eq!(config.listen.metrics, []);
}

#[test]
fn what_stands_around_a_secret_is_ignored() {
    let section = "[credential.personal_access_token]\n";
    let toml = format!("{section}token_file = \"token\"\n");
    for content in [
        "12|canary",
        "12|canary\n",
        "12|canary\r\n",
        "12|canary\n\n \n",
        "\n\t12|canary \r\n\r\n",
        "\u{feff}12|canary\r\n",
    ] {
        let cases = [
            Case::bare("", &toml).and_file("token", content),
            Case::bare("", section).and(TOKEN, content),
        ];
        for case in cases {
            let config = case.load().0.unwrap_or_else(|errors| panic!("{content:?}: {errors}"));
            let Credential::PersonalAccessToken(token) = config.token.credential else {
                panic!("another credential")
            };
            assert_eq!(token.expose(), "12|canary", "{content:?}");
        }
    }
}

#[test]
fn the_state_directory_of_systemd_is_the_default_under_systemd() {
    let case = |toml| Case::file("", toml).and("STATE_DIRECTORY", "/var/lib/one:/var/lib/two");
    let config = case("").load().0.unwrap();
    assert_eq!(config.token.state_directory, Path::new("/var/lib/one"));
    let config = case("[state]\ndirectory = \"/srv/state\"\n").load().0.unwrap();
    assert_eq!(config.token.state_directory, Path::new("/srv/state"));
}

#[test]
fn the_variable_names_the_file_when_nobody_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    write(&path, b"[credential.personal_access_token]\ntoken = \"canary\"\n");
    let environment = Environment::from([("WEBWORK_SIDECAR_CONFIG", &path)]);
    let config = load(None, &environment).unwrap();
    assert!(config.watched.iter().map(Watched::path).eq([&path]));
}

//! The certificate authorities that are there although the system has none, as in an image from scratch.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::support::{Credential, Outcome, Place, Process, Service, left_out, write};

/// Everything that looks like a store of certificates, hidden behind emptiness.
const WITHOUT_STORES: &str = "
    for store in /etc/ssl /etc/pki /usr/lib/ssl /usr/share/ssl /usr/local/ssl /usr/local/share/certs \
                 /usr/share/ca-certificates /usr/local/share/ca-certificates /var/lib/ca-certificates; do
        if [ -d \"$store\" ]; then mount -t tmpfs none \"$store\" || exit 99; fi
    done
    unset SSL_CERT_FILE SSL_CERT_DIR
    exec \"$@\"";

#[test]
fn without_a_store_of_the_system_it_starts_and_trusts_what_it_brings() {
    let permitted = Command::new("unshare").args(["-m", "true"]).status();
    if !permitted.is_ok_and(|status| status.success()) {
        left_out("a process may not have its own mounts here");
        return;
    }
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    let arguments = ["-m", "sh", "-c", WITHOUT_STORES, "sh"];
    let sidecar = Process::listening(place.run_under("unshare", &arguments));
    sidecar.has_token();
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    sidecar.stop();
}

/// What people type who need a certificate at once.
fn self_signed(place: &Place, name: &str, more: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-nodes", "-days", "30", "-subj", "/CN=localhost"]).args(more);
    command.arg("-keyout").arg(place.path("key.pem")).arg("-out").arg(place.path(name));
    Outcome::of(command).expect(0, &[]);
}

/// `openssl s_server`, which answers every request with a page.
struct Server {
    child: Child,
    _output: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn with(certificate: &Path, key: &Path) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"]);
        command.arg(certificate).arg("-key").arg(key);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "openssl s_server has ended");
        }
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { child, _output: output, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Its default is the certificate of an authority, which no server may show; what the hint says works.
#[test]
fn the_hint_for_what_openssl_makes_by_default_leads_to_a_certificate_that_works() {
    let present = Command::new("openssl").arg("version").output();
    if !present.is_ok_and(|output| output.status.success()) {
        left_out("there is no openssl here");
        return;
    }
    let place = Place::empty();
    write(&place.path("token"), "12|canary");
    let named = "-addext subjectAltName=DNS:localhost";
    let no_authority = "-addext basicConstraints=critical,CA:FALSE";
    for (options, works) in
        [("", false), (named, false), (&*format!("{named} {no_authority}"), true)]
    {
        let options: Vec<_> = options.split_whitespace().collect();
        self_signed(&place, "ca.pem", &options);
        let server = Server::with(&place.path("ca.pem"), &place.path("key.pem"));
        let configuration = format!(
            "[listen]\nproxy = [\"127.0.0.1:0\"]\nadmin = [\"127.0.0.1:0\"]\n\
             [upstream]\nurl = \"https://localhost:{}\"\nca_file = \"ca.pem\"\n\
             [credential.personal_access_token]\ntoken_file = \"token\"\n",
            server.port
        );
        write(&place.configuration(), &configuration);
        let mut check = place.command("check");
        check.arg("--online");
        let (check, doctor) = (Outcome::of(check), Outcome::of(place.command("doctor")));
        if works {
            check.expect(0, &["ok  GET"]);
            doctor.expect(0, &["ok   upstream"]);
        } else {
            check.expect(1, &["(CA:TRUE)", no_authority, "subjectAltName=DNS:HOST"]);
            doctor.expect(1, &["FAIL upstream", "-> Give the server a certificate with CA:FALSE"]);
        }
    }
}

/// The same file works in whatever form it was saved, and what is no PEM is told with what converts it.
#[test]
fn a_ca_file_is_read_however_it_was_saved() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let pem = service.ca_pem().replace("\r\n", "\n");
    for text in [
        format!("\u{feff}{pem}"),
        format!("\u{feff}{}", pem.replace('\n', "\r\n")),
        format!("Private CA\n=========\n{pem}\nthe end"),
        pem.lines().map(|line| format!("  {line}  \n")).collect(),
    ] {
        write(&place.path("ca.pem"), &text);
        let mut check = place.command("check");
        check.arg("--online");
        Outcome::of(check).expect(0, &["ok  certificates", "ok  GET"]);
        let sidecar = place.run();
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "{text}");
        sidecar.stop();
    }
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut file = File::create(place.path("ca.pem")).unwrap();
    file.write_all(&der).unwrap();
    for command in ["check", "run", "doctor"] {
        let outcome = Outcome::of(place.command(command));
        outcome.expect(2, &["is binary (DER", "openssl x509 -inform der"]);
    }
}

//! The certificate authorities that are there although the system has none, as in an image from scratch.

use std::process::Command;

use crate::support::{Credential, Place, Process, Service, left_out};

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

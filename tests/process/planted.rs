//! What somebody else put into the state directory: refused at the start, by name, and left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use rustix::process::geteuid;

use crate::support::{Mount, Outcome, Place, Service, left_out, write};

/// A place with a stored grant.
fn stored(service: &Service) -> Place {
    let place = Place::rotating(service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.stop();
    place
}

/// Everything about a file that must not change: content, inode, owner, mode, time of change.
fn traits(path: &Path) -> (Vec<u8>, [u64; 3], [i64; 2]) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let numbers = [metadata.ino(), metadata.uid().into(), metadata.mode().into()];
    (fs::read(path).unwrap(), numbers, [metadata.mtime(), metadata.mtime_nsec()])
}

/// Neither `run` nor `check` goes on, and nothing is sent or changed.
fn is_refused(service: &Service, place: &Place, texts: &[&str]) {
    let (before, sent) = (traits(&place.grant_file()), service.journal().exchanges().len());
    for command in ["run", "check"] {
        Outcome::of(place.command(command)).expect(1, texts);
    }
    assert_eq!(traits(&place.grant_file()), before);
    assert_eq!(service.journal().exchanges().len(), sent);
}

#[test]
fn a_damaged_file_is_refused() {
    let service = Service::quiet();
    let place = stored(&service);
    let good = fs::read_to_string(place.grant_file()).unwrap();
    for damaged in ["", "{", "null", "\0\0\0\0", &good[..good.len() / 2], &format!("{good}{good}")]
    {
        write(&place.grant_file(), damaged);
        is_refused(&service, &place, &["grant.json", "left untouched", "sign in again"]);
    }
    let canary = good.replace("\"access_token\": \"", "\"access_token\": \"canary\\n");
    write(&place.grant_file(), &canary);
    is_refused(&service, &place, &["a token in it is damaged"]);
    assert!(!Outcome::of(place.command("run")).trouble.contains("canary"));
    write(&place.grant_file(), &good);
    let sidecar = place.run();
    sidecar.has_token();
}

#[test]
fn the_grant_of_another_app_is_not_replaced() {
    let service = Service::quiet();
    let place = stored(&service);
    place.seed(&service);
    let own = format!("client_id = {:?}", service.client_id());
    place.amend(&own, "client_id = \"mistyped\"");
    is_refused(&service, &place, &[service.client_id(), "correct client_id", "state.directory"]);
    place.amend("client_id = \"mistyped\"", &own);
    place.run().has_token();
}

#[test]
fn a_newer_format_is_refused() {
    let service = Service::quiet();
    let place = stored(&service);
    let good = fs::read_to_string(place.grant_file()).unwrap();
    write(&place.grant_file(), &good.replace("\"version\": 1", "\"version\": 2"));
    is_refused(&service, &place, &["newer version of this program", "format 2", "left untouched"]);
}

#[test]
fn an_open_file_or_directory_is_refused() {
    let service = Service::quiet();
    let place = stored(&service);
    fs::set_permissions(place.grant_file(), Permissions::from_mode(0o640)).unwrap();
    is_refused(&service, &place, &["mode 0640", "chmod 0600"]);
    fs::set_permissions(place.grant_file(), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(place.state(), Permissions::from_mode(0o755)).unwrap();
    is_refused(&service, &place, &["mode 0755", "chmod 0700"]);
}

#[test]
fn links_are_refused() {
    let service = Service::quiet();
    let place = stored(&service);
    let elsewhere = place.path("elsewhere");
    fs::rename(place.grant_file(), &elsewhere).unwrap();
    symlink(&elsewhere, place.grant_file()).unwrap();
    is_refused(&service, &place, &["a symbolic link", "not a plain file"]);
    fs::remove_file(place.grant_file()).unwrap();
    fs::hard_link(&elsewhere, place.grant_file()).unwrap();
    is_refused(&service, &place, &["hard link", "not a plain file"]);
}

#[test]
fn a_foreign_owner_is_refused() {
    if !geteuid().is_root() {
        return left_out("only root can give a file away");
    }
    let service = Service::quiet();
    let place = stored(&service);
    chown(place.grant_file(), Some(65_534), None).unwrap();
    is_refused(&service, &place, &["belongs to uid 65534", "chown"]);
    chown(place.grant_file(), Some(0), None).unwrap();
    chown(place.state(), Some(65_534), None).unwrap();
    is_refused(&service, &place, &["belongs to uid 65534", "chown"]);
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    write(&place.state(), "");
    Outcome::of(place.command("run")).expect(2, &["state.directory", "is not a directory"]);
    assert_eq!(service.journal().exchanges(), []);
}

#[test]
fn a_record_that_is_mounted_by_itself_is_refused() {
    let service = Service::quiet();
    let place = stored(&service);
    let outside = place.path("outside");
    fs::copy(place.grant_file(), &outside).unwrap();
    let Some(_mount) = Mount::new(&["--bind", outside.to_str().unwrap()], &place.grant_file())
    else {
        return left_out("mounting a file is not permitted");
    };
    is_refused(&service, &place, &["mounted as a single file", "mount its directory"]);
}

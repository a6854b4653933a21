//! Users and groups, by number or by name. What a name means is asked once, here.

use nix::unistd::{Group, User};

use crate::account::{Gid, Uid};
use crate::net::listen::Mode;

use super::value::{Kind, Raw, Text, Wrong, quoted};

/// A user.
pub(super) struct UserKind;

/// A group.
pub(super) struct GroupKind;

/// Whose a file is to be: `user:group`, or only one of the two.
pub(super) const OWNER: Text<Owner> = Text {
    expected: "a user, a group or both by names or numbers, such as \"app:www\", \"app\" or \":www\"",
    check: owner,
};

/// The mode of a socket's file.
pub(super) const MODE: Text<Mode> = Text {
    expected: "an octal mode by which at least the owner may connect, \"0600\" to \"0777\"",
    check: mode,
};

/// User and group, as far as they are named.
pub(super) type Owner = (Option<Uid>, Option<Gid>);

impl Kind for UserKind {
    type Value = Uid;

    fn expected(&self) -> String {
        "a user by number or name, such as 1000 or \"app\"".into()
    }

    fn read(&self, raw: Raw<'_>) -> Result<Uid, Vec<Wrong>> {
        read(raw, user)
    }
}

impl Kind for GroupKind {
    type Value = Gid;

    fn expected(&self) -> String {
        "a group by number or name, such as 1000 or \"www\"".into()
    }

    fn read(&self, raw: Raw<'_>) -> Result<Gid, Vec<Wrong>> {
        read(raw, group)
    }
}

fn read<T>(raw: Raw<'_>, named: fn(&str) -> Result<T, Wrong>) -> Result<T, Vec<Wrong>> {
    match (raw.text(), raw.integer()) {
        (Some(text), _) => named(text),
        (None, Some(number)) => named(&number.to_string()),
        (None, None) => Err(raw.mistyped()),
    }
    .map_err(|wrong| vec![wrong])
}

fn user(text: &str) -> Result<Uid, Wrong> {
    let found = |name: &str| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
    number(text, "user", found).map(Uid)
}

fn group(text: &str) -> Result<Gid, Wrong> {
    let found = |name: &str| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
    number(text, "group", found).map(Gid)
}

/// The number itself, or that of the name.
fn number(
    text: &str,
    what: &str,
    found: impl FnOnce(&str) -> nix::Result<Option<u32>>,
) -> Result<u32, Wrong> {
    let is_number = |text: &str| text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    if text.is_empty() {
        return Err(Wrong::new("is empty"));
    }
    if is_number(text) {
        // The last number means "no change" to the system.
        let number = text.parse().ok().filter(|number| *number != u32::MAX);
        return number.ok_or_else(|| Wrong::new(format!("there is no {what} {}", quoted(text))));
    }
    match found(text) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(Wrong::new(format!("this host has no {what} {}", quoted(text)))),
        Err(error) => {
            let what = format!("the {what} {} could not be looked up: {error}", quoted(text));
            Err(Wrong::new(what))
        }
    }
}

fn owner(text: &str) -> Result<Owner, Wrong> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, ""));
    if uid.is_empty() && gid.is_empty() {
        return Err(Wrong::new(format!("found {}", quoted(text))));
    }
    let uid = Some(uid).filter(|name| !name.is_empty()).map(user).transpose()?;
    let gid = Some(gid).filter(|name| !name.is_empty()).map(group).transpose()?;
    Ok((uid, gid))
}

fn mode(text: &str) -> Result<Mode, Wrong> {
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let bits = Some(text).filter(|_| is_octal).and_then(|text| u32::from_str_radix(text, 8).ok());
    match bits {
        Some(bits) if bits <= 0o777 && bits & 0o600 == 0o600 => Ok(Mode(bits)),
        _ => Err(Wrong::new(format!("found {}", quoted(text)))),
    }
}

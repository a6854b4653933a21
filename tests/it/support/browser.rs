//! A person's browser, as far as a sign-in needs one: it marks what it sends, keeps cookies for each
//! name, and goes where it is sent.

use std::collections::BTreeMap;

use tokio::net::TcpStream;

use super::{Caller, Reply, Sidecar};

/// The name of the redirection endpoint, behind which the admin listener has another port.
pub(crate) const HOME: &str = "127.0.0.1:9181";

/// What the browser says of a navigation that another site caused.
const FROM_ELSEWHERE: &str =
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";

pub(crate) struct Browser<'a> {
    sidecar: &'a Sidecar,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn at(sidecar: &'a Sidecar) -> Self {
        Self { sidecar, cookies: BTreeMap::new() }
    }

    /// Presses the button of a form on the status page, opened by this name of it.
    pub(crate) async fn press(&mut self, host: &str, target: &str, form: &str) -> Reply {
        let fields = format!(
            "Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\n\
             Sec-Fetch-Dest: document\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n",
            form.len()
        );
        self.ask(host, &format!("POST {target}"), &fields, form).await
    }

    /// Goes where an answer sends it, and no further.
    pub(crate) async fn follow(&mut self, url: &str) -> Reply {
        let service = self.sidecar.service.url();
        if let Some(target) = url.strip_prefix(service) {
            let address = service.strip_prefix("http://").expect("a service without TLS");
            let mut caller = Caller::new(TcpStream::connect(address).await.unwrap());
            caller.send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
            return caller.reply().await;
        }
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("sent to {url}"));
        let (host, target) = rest.split_at(rest.find('/').unwrap());
        self.ask(host, &format!("GET {target}"), FROM_ELSEWHERE, "").await
    }

    /// Begins at the page of this name and goes on to the authorization server.
    pub(crate) async fn begins(&mut self, host: &str) -> String {
        let mut url = location(&self.press(host, "/sign-in", "").await);
        if !url.starts_with(self.sidecar.service.url()) {
            url = location(&self.follow(&url).await);
        }
        url
    }

    /// What the authorization server sends it back with after `decision`, `auto` or `deny`.
    pub(crate) async fn decides(&mut self, url: &str, decision: &str) -> String {
        location(&self.follow(&format!("{url}&approve={decision}")).await)
    }

    /// The whole way; tells with which word the page is shown in the end.
    pub(crate) async fn signs_in(&mut self, host: &str, decision: &str) -> String {
        let url = self.begins(host).await;
        let back = self.decides(&url, decision).await;
        let end = self.follow(&back).await;
        // Another site is behind the last step, too, and the page is shown all the same.
        let page = self.follow(&format!("http://{HOME}{}", location(&end))).await;
        assert_ne!(page.status, 403, "{}", page.text());
        word(&end)
    }

    /// Whether it has a cookie for this name.
    pub(crate) fn has_cookie(&self, host: &str) -> bool {
        self.cookies.contains_key(name(host))
    }

    async fn ask(&mut self, host: &str, line: &str, fields: &str, content: &str) -> Reply {
        let cookie = self.cookies.get(name(host));
        let cookie = cookie.map(|it| format!("Cookie: other=1; {it}\r\n")).unwrap_or_default();
        let mut caller = Caller::new(TcpStream::connect(self.sidecar.admin).await.unwrap());
        caller
            .send(format!(
                "{line} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html,*/*;q=0.8\r\n{fields}{cookie}\r\n{content}"
            ))
            .await;
        let reply = caller.reply().await;
        if let Some(set) = reply.fields.get("set-cookie") {
            let set = set.to_str().unwrap();
            for attribute in ["; Path=/callback;", "; HttpOnly", "; SameSite=Lax"] {
                assert!(set.contains(attribute), "{set}");
            }
            let pair = set.split(';').next().unwrap().to_owned();
            match set.contains("Max-Age=0;") {
                true => self.cookies.remove(name(host)),
                false => self.cookies.insert(name(host).to_owned(), pair),
            };
        }
        reply
    }
}

/// Cookies know no ports.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Where an answer sends a browser.
fn location(reply: &Reply) -> String {
    assert!((302..=303).contains(&reply.status), "{} {}", reply.status, reply.text());
    reply.fields["location"].to_str().unwrap().to_owned()
}

/// The word of `/?sign_in=word`, in an address that has nothing else.
fn word(reply: &Reply) -> String {
    assert_eq!(reply.fields["cache-control"], "no-store");
    assert_eq!(reply.fields["referrer-policy"], "no-referrer");
    let url = location(reply);
    let word = url.strip_prefix("/?sign_in=").unwrap_or_else(|| panic!("sent to {url}"));
    assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
    word.to_owned()
}

//! What a browser brings back from a sign-in, and what people paste: a code is taken with the right state
//! alone, and no message shows what came or could harm a terminal or a page.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use url::Url;
use webwork_sidecar::net::origin::Plaintext;
use webwork_sidecar::net::tunnel::Route;
use webwork_sidecar::token::sign_in::{Pending, SignInError};
use webwork_sidecar::token::source::{AuthorizationCode, ClientAuthentication, Registration};

/// Stands for the state in an input: no fuzzer could guess it.
const STATE: &str = "STATE";

static PENDING: LazyLock<(Pending, String)> = LazyLock::new(|| {
    let app = AuthorizationCode {
        registration: Registration {
            client_id: "1".into(),
            client_secret: None,
            authentication: ClientAuthentication::Body,
            token_url: Url::parse("https://api.example/oauth/token").unwrap(),
            plaintext: Plaintext::Loopback,
            route: Route::Direct,
            ca_file: None,
        },
        authorize_url: Url::parse("https://as.example/oauth/authorize").unwrap(),
        redirect_uri: "http://127.0.0.1:9181/callback".into(),
        scope: "read".parse().unwrap(),
        seed: None,
    };
    let pending = Pending::new(&app).unwrap();
    let url = Url::parse(&pending.url()).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    (pending, state)
});

fuzz_target!(|input: (bool, &str)| {
    let (is_pasted, text) = input;
    let (pending, state) = &*PENDING;
    let text = text.replace(STATE, state);
    let seen = if is_pasted { pending.pasted(&text) } else { pending.returned(&text) };
    match seen {
        Ok(_) => assert!(text.contains(&**state)),
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 2000 && !message.contains(|sign: char| sign.is_control()));
            assert!(!message.contains('<') && !message.contains(&**state), "{message}");
            assert!(error.word().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            // What is forged or mistyped ends nobody's sign-in; the one refusal without a state is league's.
            let known = text.contains(&**state) || error == SignInError::Scope;
            assert!(known || !error.is_final(), "{message}");
        }
    }
});

//! Nothing is sent to an upstream that cannot prove who it is, and the answer says what was wrong.

use http::Response;

use super::support::{Certificate, Proxy, Upstream, full};

async fn refused(certificate: &Certificate) -> String {
    let upstream = Upstream::with_certificate(certificate, &["h2", "http/1.1"], |_| async {
        panic!("a request came through");
        #[expect(unreachable_code, reason = "gives the block its type")]
        Response::new(full(""))
    })
    .await;
    let reply = Proxy::with(&upstream).get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_tls"));
    reply.text().to_owned()
}

#[tokio::test]
async fn an_expired_certificate_is_named() {
    let certificate = Certificate::signed(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    assert!(refused(&certificate).await.contains("has expired"));
}

#[tokio::test]
async fn a_certificate_of_the_future_is_named() {
    let certificate =
        Certificate::signed(|params| params.not_before = rcgen::date_time_ymd(3000, 1, 1));
    assert!(refused(&certificate).await.contains("not valid yet"));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_named() {
    let certificate = Certificate::signed(|params| {
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())];
    });
    assert!(refused(&certificate).await.contains("for another name"));
}

#[tokio::test]
async fn an_unknown_authority_is_named() {
    assert!(refused(&Certificate::untrusted()).await.contains("unknown authority"));
}

//! Much content and many requests through the whole sidecar, unchanged and streamed.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::support::{Credential, ECHO, Sidecar, soon};

const MIB: usize = 1 << 20;

/// After so many bytes the pattern begins again: a prime, so that no buffer hides a lost piece.
const PERIOD: usize = 251;

/// HTTP/2 over TLS, and HTTP/1.1 without.
async fn both() -> [Sidecar; 2] {
    let setup = Sidecar::with(Credential::AuthorizationCode);
    [setup.clone().start().await, setup.plain().start().await]
}

/// The byte at an offset of what the service makes.
fn pattern(offset: usize) -> u8 {
    (offset % PERIOD) as u8
}

#[tokio::test]
async fn ten_thousand_small_requests() {
    const CALLERS: usize = 8;
    for sidecar in both().await {
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let mut caller = sidecar.caller().await;
            let get = sidecar.get_request("/api/v2/_simulator/bytes?n=100");
            let content = format!("{{\"caller\":{number}}}");
            let post = sidecar.post_request(ECHO, &content);
            callers.spawn(async move {
                for _ in 0..10_000 / CALLERS / 2 {
                    caller.send(&get).await;
                    let reply = caller.reply().await;
                    assert!(
                        reply.status == 200
                            && reply.content.iter().copied().eq((0..100).map(pattern))
                    );
                    caller.send(&post).await;
                    let reply = caller.reply().await;
                    assert_eq!((reply.status, reply.text()), (200, content.as_str()));
                }
            });
        }
        callers.join_all().await;
        let journal = sidecar.service.found_nothing_wrong();
        assert_eq!((journal.api_answers(200), journal.api_requests()), (10_000, 10_000));
    }
}

/// Sends content of this length and compares what comes back, without keeping any of it.
async fn echoes(sidecar: &Sidecar, length: usize) {
    // As long as the pattern repeats itself, any part of it begins somewhere in the first period.
    let piece: Vec<u8> = (0..PERIOD * 257).map(pattern).collect();
    let most = PERIOD * 256;
    let mut caller = sidecar.caller().await;
    let (mut read, mut write) = caller.stream().split();
    let sending = async {
        let host = sidecar.proxy;
        let head =
            format!("POST {ECHO} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        for offset in (0..length).step_by(most) {
            write.write_all(&piece[..most.min(length - offset)]).await.unwrap();
        }
    };
    let receiving = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(read.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
        let (mut offset, mut got) = (0, vec![0; most]);
        while offset < length {
            let count = read.read(&mut got).await.unwrap();
            assert!(count > 0, "cut off after {offset} bytes");
            assert!(got[..count] == piece[offset % PERIOD..][..count], "differs after {offset}");
            offset += count;
        }
        assert_eq!(offset, length);
    };
    soon(async { tokio::join!(sending, receiving) }).await;
}

#[tokio::test]
async fn ten_mebibytes_up_and_down() {
    for sidecar in both().await {
        echoes(&sidecar, 10 * MIB).await;
        let reply = sidecar.get(&format!("/api/v2/_simulator/bytes?n={}", 10 * MIB)).await;
        assert_eq!(reply.content.len(), 10 * MIB);
        assert!(reply.content.iter().enumerate().all(|(offset, byte)| *byte == pattern(offset)));
        sidecar.service.found_nothing_wrong();
    }
}

/// The most memory that this process has ever had in use, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs in a process of its own, because the peak is one of the whole process.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by streams_without_keeping"]
async fn streams_in_a_quiet_process() {
    for sidecar in both().await {
        echoes(&sidecar, 4 * MIB).await;
        let before = peak_memory();
        echoes(&sidecar, 64 * MIB).await;
        let grown = peak_memory() - before;
        println!("64 MiB up and down: {before} KiB before, {grown} KiB more");
        assert!(grown < 6 << 10, "the peak has grown by {grown} KiB");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn streams_without_keeping() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "volume::streams_in_a_quiet_process"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

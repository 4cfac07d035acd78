//! An outage is two lines, however many calls it fails.

use std::time::Duration;

use crate::recorder;
use crate::server::{builder, key, start, value};
use hitbox_backend::Backend;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn an_outage_is_told_once_and_so_is_its_end() {
    let recorder = recorder::record();
    let mut server = start().await;
    let settings = builder(&server).deadline(Duration::from_secs(30));
    let cache = settings.connect().await.unwrap();
    server.kill();
    for number in 0..500 {
        let key = key(&number.to_string());
        cache.read(&key).await.unwrap_err();
        cache.write(&key, value("x")).await.unwrap_err();
        cache.remove(&key).await.unwrap_err();
    }
    server.restart().await.unwrap();
    let back = async {
        while cache.read(&key("k")).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), back).await.unwrap();
    let lines = recorder.lines();
    let loud: Vec<_> = lines
        .iter()
        .filter(|line| !line.starts_with("DEBUG") && !line.starts_with("TRACE"))
        .collect();
    println!("1,500 failures: {loud:#?}");
    let [down, up] = loud.as_slice() else {
        panic!("{loud:#?}");
    };
    assert!(down.contains("backend=redis"), "{down}");
    assert!(down.contains("no connection") && down.contains("Connection refused"));
    assert!(down.contains(&format!("127.0.0.1:{}", server.port())));
    assert!(up.starts_with("INFO") && up.contains("connected again"));
}

//! The library in this process: an editor that is the client itself.

use anyhow::bail;
use bytes::Bytes;
use reattach::io::reactor;
use reattach::{Client, ClientConfig, Received, Target};
use smol::LocalExecutor;

use crate::rounds::Rounds;
use crate::stopwatch::Stopwatch;

/// Lets a client do something, and closes its session.
pub(crate) fn with_client<T>(
    target: Target,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (client, driver) = Client::connect(target, ClientConfig::default());
    let executor = LocalExecutor::new();
    let driver = executor.spawn(driver);
    reactor::block_on(executor.run(async {
        let result = work(&client).await;
        client.close();
        drop(client);
        driver.await;
        result
    }))?
}

/// One round trip of a message, in seconds.
async fn ping(client: &Client, message: &Bytes) -> anyhow::Result<f64> {
    let watch = Stopwatch::start();
    client.send(message.clone()).await?;
    let mut came = 0;
    while came < message.len() {
        match client.receive().await {
            Some(Received::Data(_, bytes)) => came += bytes.len(),
            other => bail!("{other:?} came, and no echo"),
        }
    }
    Ok(watch.elapsed().as_secs_f64())
}

/// The median of that many round trips, in seconds.
pub(crate) async fn median_ping(client: &Client, message: &Bytes, count: usize) -> anyhow::Result<f64> {
    let mut times = Rounds::default();
    for _ in 0..count {
        times.push(ping(client, message).await?);
    }
    Ok(times.median())
}

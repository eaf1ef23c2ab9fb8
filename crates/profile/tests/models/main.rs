//! The ring under a model checker (`cargo xtask test --only models`).
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use paddock_profile::{Ring, Sample};

#[test]
fn a_sample_comes_out_whole_or_is_counted_as_lost() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(4).unwrap());
        let taker = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..2).filter_map(|_| ring.take()).collect::<Vec<_>>())
        };
        for pid in 1..=2 {
            let mut sample = Sample::new(pid);
            sample.push_kernel(u64::from(pid) + 10);
            ring.put(&sample);
        }
        let mut seen = taker.join().unwrap();
        seen.extend(core::iter::from_fn(|| ring.take()));
        assert_eq!(seen.len() as u64 + ring.take_lost(), 2);
        for sample in seen {
            assert_eq!(sample.kernel(), [u64::from(sample.pid) + 10]);
            assert!(sample.user().is_empty());
        }
    });
}

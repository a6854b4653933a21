//! A stored record: whatever the file holds, it is read as it was written, or refused without a word of
//! what is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use webwork_sidecar::token::record::Record;

fuzz_target!(|bytes: &[u8]| {
    match Record::from_bytes(bytes) {
        Ok(record) => {
            let again = Record::from_bytes(record.to_bytes().expose().as_bytes());
            assert_eq!(again.as_ref(), Ok(&record));
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.is_ascii() && !told.contains(char::is_control), "{told}");
            assert!(told.len() < 120, "{told}");
        }
    }
});

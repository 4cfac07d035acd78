//! What does the client compute for a read of a DynamoDB table?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::dynamodb::cases())
}

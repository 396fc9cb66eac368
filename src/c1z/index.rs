//! The indexes of the database. In large ones they take most of the time, so that a cancellation ends each of them.

use rusqlite::{Connection, ErrorCode};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::schema::INDEXES;

/// Steps of `SQLite`'s machine between two looks at the cancellation: a few milliseconds.
const STRIDE: i32 = 10_000;

/// Makes all indexes.
///
/// # Errors
/// [`Error::Cancelled`], [`Error::DuplicateId`], or [`Error::Database`] when the disk refuses.
pub(super) fn make(connection: &mut Connection, cancel: &CancellationToken) -> Result<(), Error> {
    let failed = || Error::database("index the rows");
    let stop = cancel.clone();
    connection.progress_handler(STRIDE, Some(move || stop.is_cancelled())).map_err(failed())?;
    for index in INDEXES {
        connection.execute_batch(index.statement).map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Error::Cancelled,
            Some(ErrorCode::ConstraintViolation) => Error::DuplicateId { table: index.table },
            _ => failed()(source),
        })?;
    }
    connection.progress_handler(0, None::<fn() -> bool>).map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::super::schema::TABLES;
    use super::*;

    #[test]
    fn a_cancellation_ends_an_index_in_its_middle() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection
            .execute_batch(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
                 insert into v1_resource_types (external_id, data, sync_id, discovered_at)
                 select 'type' || i, x'', 's', '' from n",
            )
            .unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(matches!(make(&mut connection, &cancel), Err(Error::Cancelled)));
        make(&mut connection, &CancellationToken::new()).unwrap();
    }
}

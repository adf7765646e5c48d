// Load: one connection, one transaction for each source.

#include "database.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>

#include <asyncio.h>

static sqlite3 *database;

static const char tables[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE IF NOT EXISTS source (url TEXT PRIMARY KEY, rows INTEGER,"
    " bad_rows INTEGER, error TEXT);"
    "CREATE TABLE IF NOT EXISTS station (url TEXT, name TEXT, rows INTEGER,"
    " lowest REAL, highest REAL, mean REAL, PRIMARY KEY (url, name));";

static int database_error(void)
{
    return asyncio_raise(-EIO, "database: %s", sqlite3_errmsg(database));
}

int database_open(void *path)
{
    if (sqlite3_open(path, &database) != SQLITE_OK) return database_error();
    sqlite3_busy_timeout(database, 5000);
    return sqlite3_exec(database, tables, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : database_error();
}

// Runs one statement with its values: "t" is a text, "i" an int, "d" a double.
static int run_statement(const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        return database_error();
    va_list values;
    va_start(values, kinds);
    for (int i = 1; *kinds; i++, kinds++) {
        if (*kinds == 't')
            sqlite3_bind_text(statement, i, va_arg(values, const char *), -1,
                              SQLITE_STATIC);
        else if (*kinds == 'i')
            sqlite3_bind_int(statement, i, va_arg(values, int));
        else
            sqlite3_bind_double(statement, i, va_arg(values, double));
    }
    va_end(values);
    int err = sqlite3_step(statement) == SQLITE_DONE ? 0 : database_error();
    sqlite3_finalize(statement);
    return err;
}

static int insert(const struct source *source)
{
    const struct summary *summary = &source->summary;
    const char *error = source->error[0] ? source->error : NULL;
    int err =
        run_statement("DELETE FROM station WHERE url = ?", "t", source->url);
    if (err == 0)
        err =
            run_statement("REPLACE INTO source VALUES (?, ?, ?, ?)", "tiit",
                          source->url, summary->rows, summary->bad_rows, error);
    for (int i = 0; i < summary->count && err == 0 && !error; i++) {
        const struct station *station = &summary->stations[i];
        err = run_statement("INSERT INTO station VALUES (?, ?, ?, ?, ?, ?)",
                            "ttiddd", source->url, station->name, station->rows,
                            station->lowest, station->highest,
                            station->sum / station->rows);
    }
    return err;
}

int database_put(void *source)
{
    int err = run_statement("BEGIN IMMEDIATE", "");
    if (err < 0) return err;
    err = insert(source);
    if (err == 0) err = run_statement("COMMIT", "");
    if (err < 0) sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

void database_close(void)
{
    sqlite3_close(database);
}

module exportpool.dev/e2e/smoke

go 1.26.0

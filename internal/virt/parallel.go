package virt

import "sync"

// workers is how many calls run at once on a connection. libvirt serves five of one client at a time, and logs a
// warning when it gets that many.
const workers = 4

// parallel calls f with 0 to n-1, a few at a time, and returns the first error by index. After an error no more calls
// begin.
func parallel(n int, f func(i int) error) error {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		next   int
		failed bool
		errs   = make([]error, n)
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if failed || next == n {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range min(workers, n) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if errs[i] = f(i); errs[i] != nil {
					mu.Lock()
					failed = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

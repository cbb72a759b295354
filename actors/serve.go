package actors

// Serve hands an actor its messages, one at a time, until either function
// returns false or stop is closed. Requests go ahead of traffic, so that a
// query is answered by a busy actor too: at most one batch passes before it.
func Serve[M, R any](stop <-chan struct{}, traffic *Mailbox[M], requests *Mailbox[R], message func(M) bool, request func(R) bool) {
	for {
		select {
		case r := <-requests.queue:
			if !request(r) {
				return
			}
			continue
		default:
		}
		select {
		case r := <-requests.queue:
			if !request(r) {
				return
			}
		case m := <-traffic.queue:
			if !message(m) {
				return
			}
		case <-stop:
			return
		}
	}
}

package correlate

import "testing"

func BenchmarkWeigh(b *testing.B) {
	l := newLab("orders", "web").alert("orders p99 above 2 s")
	for range 200 {
		l.says("orders", fault, "could not acquire connection from pool within 5s (in use 4, idle 0) at com.acme.Orders.load(Orders.java:88)")
	}
	for range 40 {
		l.tidy(2, "orders")
	}
	b.ReportAllocs()
	for b.Loop() {
		weigh(l.suspicion)
	}
}

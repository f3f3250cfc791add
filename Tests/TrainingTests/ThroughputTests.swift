import System
import Testing
import Training

@Suite struct ThroughputTests {
    /// A clock that is set by hand.
    private final class Clock {
        var time = 100.0
    }

    @Test func ratesLeaveOutWhatIsNotTraining() {
        let clock = Clock()
        var meter = Throughput(step: 10, jets: 1000, now: { clock.time })
        clock.time += 2
        meter.excluding { clock.time += 50 }
        clock.time += 2
        #expect(meter.jetsPerSecond(upTo: 1400) == 100)
        // The next rate is measured from here.
        clock.time += 5
        #expect(meter.jetsPerSecond(upTo: 1500) == 20)
    }

    @Test func workThatFailsIsLeftOutToo() {
        struct Failure: Error {}
        let clock = Clock()
        var meter = Throughput(step: 0, jets: 0, now: { clock.time })
        try? meter.excluding {
            clock.time += 50
            throw Failure()
        }
        clock.time += 1
        #expect(meter.jetsPerSecond(upTo: 10) == 10)
    }

    @Test func aLineTellsTheRateOnceItIsKnown() {
        let clock = Clock()
        var meter = Throughput(step: 10, jets: 0, now: { clock.time })
        clock.time += 4
        #expect(meter.line(step: 12, of: 20, loss: 1.23456) == "step 12/20  loss 1.2346  16 s left")
        _ = meter.jetsPerSecond(upTo: 400)
        #expect(
            meter.line(step: 12, of: 20, loss: 1.23456) == "step 12/20  loss 1.2346  100 jets/s  16 s left")
        func progress(_ columns: Int) -> String {
            meter.progress(step: 12, of: 20, loss: 1, with: ["epoch 0.6", "lr 1.0e-03"])
                .drawn(columns: columns, isUnicode: false)
        }
        #expect(progress(120).hasSuffix("step 12/20  epoch 0.6  lr 1.0e-03  loss 1.0000  100 jets/s  16 s left"))
        #expect(progress(79).hasSuffix("step 12/20  epoch 0.6  lr 1.0e-03  loss 1.0000  16 s left"))
        #expect(progress(65).hasSuffix(" 60 %  step 12/20  epoch 0.6  loss 1.0000  16 s left"))
        clock.time += 12
        #expect(meter.line(step: 20, of: 20, loss: 1) == "step 20/20  loss 1.0000  100 jets/s  done in 16 s")
        clock.time += 100
        _ = meter.jetsPerSecond(upTo: 850)
        #expect(meter.line(step: 20, of: 20, loss: 1).contains("  4.0 jets/s  "))
    }

    @Test(arguments: [
        (0.0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.0, "59 min 59 s"), (3600.0, "1 h 0 min"),
        (86399.0, "23 h 59 min"), (90000.0, "1 d 1 h"), (1e12, "ages"),
    ])
    func timeLeftIsReadable(seconds: Double, text: String) {
        let clock = Clock()
        let meter = Throughput(step: 0, jets: 0, now: { clock.time })
        clock.time += seconds
        #expect(meter.line(step: 1, of: 2, loss: 0).hasSuffix("  \(text) left"))
    }

    @Test func theClockOfTheSystemRuns() {
        let now = Throughput.systemClock()
        let first = now()
        #expect(first >= 0 && first < 60)
        #expect(now() >= first)
    }
}

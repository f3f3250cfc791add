import Glibc
import MPI
import TestSupport
import Testing

extension CommunicatorMPITests {
    @Suite(.serialized) struct PendingCollectiveMPITests {
        var size: Int { world.size }

        /// Rank s sends s + r + 1 elements of value 100 s + r to rank r.
        private func startExchange() throws -> (pending: PendingCollective, received: Message<Float>) {
            let sent = (0..<size).map { world.rank + $0 + 1 }
            let out = Message(
                (0..<size).flatMap { Array(repeating: Float(100 * world.rank + $0), count: sent[$0]) })
            let into = Message<Float>(count: sent.reduce(0, +))
            return (try world.startExchange(sending: out, counts: sent, receiving: into, counts: sent), into)
        }

        private var expectedExchange: [Float] {
            (0..<size).flatMap { Array(repeating: Float(100 * $0 + world.rank), count: world.rank + $0 + 1) }
        }

        @Test func messagesOwnTheirMemory() {
            let zeros = Message<Float>(count: 3)
            #expect(zeros.values == [0, 0, 0])
            let copy = Message([1, 2, 3] as [Int32])
            copy.elements[1] = 7
            #expect(copy.values == [1, 7, 3])
        }

        @Test func partsAreExchanged() throws {
            let (pending, received) = try startExchange()
            try pending.wait()
            #expect(received.values == expectedExchange)
        }

        /// The part of a rank may be empty.
        @Test func partsAreGatheredInPlace() throws {
            let counts = (0..<size).map { 3 * $0 }
            let message = Message<Int32>(count: counts.reduce(0, +))
            let first = counts[..<world.rank].reduce(0, +)
            for i in 0..<counts[world.rank] { message.elements[first + i] = Int32(10 * world.rank + i) }
            try world.startAllGather(message, counts: counts).wait()
            #expect(message.values == (0..<size).flatMap { rank in (0..<counts[rank]).map { Int32(10 * rank + $0) } })
        }

        @Test func testIsTrueAtTheEnd() throws {
            let (pending, received) = try startExchange()
            while try !pending.test() {}
            #expect(try pending.test())
            try pending.wait()
            #expect(received.values == expectedExchange)
        }

        @Test func severalMayBePendingAtOnce() throws {
            let all = try (0..<8).map { _ in try startExchange() }
            for (pending, received) in all.reversed() {
                try pending.wait()
                #expect(received.values == expectedExchange)
            }
        }

        @Test func otherCollectivesMayComeBetween() throws {
            let (pending, received) = try startExchange()
            #expect(try world.allReduce(1) == size)
            try pending.wait()
            #expect(received.values == expectedExchange)
        }

        @Test func anAbandonedOneDoesNotTrap() throws {
            try startExchange().pending.abandon()
            #expect(try world.allReduce(1) == size)
        }

        @Test(.enabled(if: getenv("OMPI_COMM_WORLD_SIZE") == nil, "mpirun ends when a process traps"))
        func aReleasedOneTraps() async {
            await #expect(processExitsWith: .failure) {
                try MPIEnvironment.initialize()
                _ = try Communicator.world.startAllGather(Message([1.0, 2.0]), counts: [2])
            }
        }

        @Test func emptyBuffersAreGatheredToo() throws {
            try world.startAllGather(Message<Float>(count: 0), counts: Array(repeating: 0, count: size)).wait()
        }
    }
}

import Glibc
import MPI
import TestSupport
import Testing

extension CommunicatorMPITests {
    @Suite(.serialized) struct PendingReductionMPITests {
        var size: Int { world.size }

        /// 1 + 2 + … + size
        var sumOfNumbers: Float { Float(size * (size + 1) / 2) }

        @Test func messagesOwnTheirMemory() {
            let zeros = Message<Float>(count: 3)
            #expect(zeros.values == [0, 0, 0])
            let copy = Message([1, 2, 3] as [Int32])
            copy.elements[1] = 7
            #expect(copy.values == [1, 7, 3])
        }

        @Test func waitReturnsTheBuffer() throws {
            let message = Message([Float](repeating: Float(world.rank + 1), count: 100_000))
            let reduced = try world.startAllReduce(message).wait()
            #expect(reduced === message)
            #expect(reduced.values.allSatisfy { $0 == sumOfNumbers })
        }

        @Test func testIsTrueAtTheEnd() throws {
            let pending = try world.startAllReduce(Message([world.rank]), .maximum)
            while try !pending.test() {}
            #expect(try pending.test())
            #expect(try pending.wait().values[0] == size - 1)
        }

        @Test func severalMayBePendingAtOnce() throws {
            // Buckets of different sizes, finished in reverse order.
            let pending = try (1...8).map { bucket in
                try world.startAllReduce(
                    Message([Float](repeating: Float(world.rank + 1), count: bucket * 1000)))
            }
            for (index, reduction) in pending.enumerated().reversed() {
                let sums = try reduction.wait().values
                #expect(sums.count == (index + 1) * 1000)
                #expect(sums.allSatisfy { $0 == sumOfNumbers })
            }
        }

        @Test func otherCollectivesMayComeBetween() throws {
            let pending = try world.startAllReduce(Message([1.0, 2.0]))
            #expect(try world.allReduce(1) == size)
            #expect(try pending.wait().values == [Double(size), Double(2 * size)])
        }

        @Test func anAbandonedOneDoesNotTrap() throws {
            try world.startAllReduce(Message([1.0, 2.0])).abandon()
            #expect(try world.allReduce(1) == size)
        }

        @Test(.enabled(if: getenv("OMPI_COMM_WORLD_SIZE") == nil, "mpirun ends when a process traps"))
        func aReleasedOneTraps() async {
            await #expect(processExitsWith: .failure) {
                try MPIEnvironment.initialize()
                _ = try Communicator.world.startAllReduce(Message([1.0, 2.0]))
            }
        }

        @Test func emptyBuffersAreReducedToo() throws {
            #expect(try world.startAllReduce(Message<Float>(count: 0)).wait().values.isEmpty)
        }
    }
}

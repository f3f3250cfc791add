import MPI
import TestSupport
import Testing

extension CommunicatorMPITests {
    @Suite(.serialized) struct MailboxMPITests {
        /// Every rank sends to all ranks without waiting; `close` drops the messages that were not taken.
        @Test func messagesArriveOrAreDroppedAtTheEnd() throws {
            let mailbox = try Mailbox(on: world, length: 2)
            for to in 0..<world.size { try mailbox.post([Int64(world.rank), Int64(to)], to: to) }
            try world.barrier()
            // The message of a rank to itself has arrived for certain.
            var found: [Int] = []
            while let (values, from) = try mailbox.take() {
                #expect(values == [Int64(from), Int64(world.rank)])
                found.append(from)
            }
            #expect(found.contains(world.rank) && Set(found).count == found.count)
            try world.barrier()
            for to in 0..<world.size { try mailbox.post([-1, Int64(to)], to: to) }
            try mailbox.close()
            #expect(try mailbox.take() == nil)
        }

        @Test func everyRankExchangesWithAll() throws {
            let received = try world.exchangeWithAll((0..<world.size).map { 10 * world.rank + $0 })
            #expect(received == (0..<world.size).map { 10 * $0 + world.rank })
        }
    }
}

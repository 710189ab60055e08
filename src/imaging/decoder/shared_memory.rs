//! Memory without a name that two processes share (`memfd_create`, since Linux 3.17), and which may be
//! sealed: then neither can change or cut it. Elsewhere there is none.

#[cfg(target_os = "linux")]
pub(super) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(super) use none::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{self, IoSlice, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use rustix::fs::{
        MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create,
    };
    use rustix::net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    };

    /// Whoever has it may read it, and nothing else.
    fn seals() -> SealFlags {
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
    }

    /// New and empty.
    pub fn create() -> io::Result<File> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know memory that cannot be made executable.
        let memory = memfd_create("cxr", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| memfd_create("cxr", flags))?;
        Ok(memory.into())
    }

    /// From now on it is what it is.
    pub fn seal(file: &File) -> io::Result<()> {
        Ok(fcntl_add_seals(file, seals())?)
    }

    /// How many bytes it holds.
    ///
    /// # Errors
    /// If it is no memory, such as a pipe on which a reader would wait for ever: that has no seals.
    pub fn length(file: &File) -> io::Result<u64> {
        if fcntl_get_seals(file).is_err() {
            let why = "no memory";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(fstat(file)?.st_size as u64)
    }

    /// Sends bytes and with them a descriptor; how many bytes.
    pub fn send(socket: &UnixStream, bytes: &[u8], file: &File) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let bytes = [IoSlice::new(bytes)];
        Ok(sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL)?)
    }

    /// Receives bytes, and a descriptor if one came with them. There is room for one: the system
    /// closes any others.
    pub fn receive(
        socket: &UnixStream,
        bytes: &mut [u8],
        descriptor: &mut Option<OwnedFd>,
    ) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(bytes)];
        let received = recvmsg(socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                *descriptor = descriptors.last();
            }
        }
        Ok(received.bytes)
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::fs::File;
    use std::io::{self, Read};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    pub fn create() -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn seal(_: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn length(_: &File) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn send(_: &UnixStream, _: &[u8], _: &File) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn receive(
        mut socket: &UnixStream,
        bytes: &mut [u8],
        _: &mut Option<OwnedFd>,
    ) -> io::Result<usize> {
        socket.read(bytes)
    }
}

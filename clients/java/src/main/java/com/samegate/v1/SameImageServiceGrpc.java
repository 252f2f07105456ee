package com.samegate.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Adds, finds, updates and deletes the images of a library.
 * Every request names a library. The default is the first library of the
 * caller's tenant. Every method fails with NOT_FOUND (reason
 * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
 * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
 * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SameImageServiceGrpc {

  private SameImageServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "samegate.v1.SameImageService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.AddImageRequest,
      com.samegate.v1.AddImageResponse> getAddImageMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AddImage",
      requestType = com.samegate.v1.AddImageRequest.class,
      responseType = com.samegate.v1.AddImageResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.AddImageRequest,
      com.samegate.v1.AddImageResponse> getAddImageMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.AddImageRequest, com.samegate.v1.AddImageResponse> getAddImageMethod;
    if ((getAddImageMethod = SameImageServiceGrpc.getAddImageMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getAddImageMethod = SameImageServiceGrpc.getAddImageMethod) == null) {
          SameImageServiceGrpc.getAddImageMethod = getAddImageMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.AddImageRequest, com.samegate.v1.AddImageResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AddImage"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.AddImageRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.AddImageResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("AddImage"))
              .build();
        }
      }
    }
    return getAddImageMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.AddImagesRequest,
      com.samegate.v1.AddImagesResponse> getAddImagesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AddImages",
      requestType = com.samegate.v1.AddImagesRequest.class,
      responseType = com.samegate.v1.AddImagesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<com.samegate.v1.AddImagesRequest,
      com.samegate.v1.AddImagesResponse> getAddImagesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.AddImagesRequest, com.samegate.v1.AddImagesResponse> getAddImagesMethod;
    if ((getAddImagesMethod = SameImageServiceGrpc.getAddImagesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getAddImagesMethod = SameImageServiceGrpc.getAddImagesMethod) == null) {
          SameImageServiceGrpc.getAddImagesMethod = getAddImagesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.AddImagesRequest, com.samegate.v1.AddImagesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AddImages"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.AddImagesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.AddImagesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("AddImages"))
              .build();
        }
      }
    }
    return getAddImagesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.SearchImagesRequest,
      com.samegate.v1.SearchImagesResponse> getSearchImagesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SearchImages",
      requestType = com.samegate.v1.SearchImagesRequest.class,
      responseType = com.samegate.v1.SearchImagesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.SearchImagesRequest,
      com.samegate.v1.SearchImagesResponse> getSearchImagesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.SearchImagesRequest, com.samegate.v1.SearchImagesResponse> getSearchImagesMethod;
    if ((getSearchImagesMethod = SameImageServiceGrpc.getSearchImagesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getSearchImagesMethod = SameImageServiceGrpc.getSearchImagesMethod) == null) {
          SameImageServiceGrpc.getSearchImagesMethod = getSearchImagesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.SearchImagesRequest, com.samegate.v1.SearchImagesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SearchImages"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.SearchImagesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.SearchImagesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("SearchImages"))
              .build();
        }
      }
    }
    return getSearchImagesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.UpdateImageRequest,
      com.samegate.v1.UpdateImageResponse> getUpdateImageMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateImage",
      requestType = com.samegate.v1.UpdateImageRequest.class,
      responseType = com.samegate.v1.UpdateImageResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.UpdateImageRequest,
      com.samegate.v1.UpdateImageResponse> getUpdateImageMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.UpdateImageRequest, com.samegate.v1.UpdateImageResponse> getUpdateImageMethod;
    if ((getUpdateImageMethod = SameImageServiceGrpc.getUpdateImageMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getUpdateImageMethod = SameImageServiceGrpc.getUpdateImageMethod) == null) {
          SameImageServiceGrpc.getUpdateImageMethod = getUpdateImageMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.UpdateImageRequest, com.samegate.v1.UpdateImageResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateImage"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.UpdateImageRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.UpdateImageResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("UpdateImage"))
              .build();
        }
      }
    }
    return getUpdateImageMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.DeleteImagesRequest,
      com.samegate.v1.DeleteImagesResponse> getDeleteImagesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteImages",
      requestType = com.samegate.v1.DeleteImagesRequest.class,
      responseType = com.samegate.v1.DeleteImagesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.DeleteImagesRequest,
      com.samegate.v1.DeleteImagesResponse> getDeleteImagesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.DeleteImagesRequest, com.samegate.v1.DeleteImagesResponse> getDeleteImagesMethod;
    if ((getDeleteImagesMethod = SameImageServiceGrpc.getDeleteImagesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getDeleteImagesMethod = SameImageServiceGrpc.getDeleteImagesMethod) == null) {
          SameImageServiceGrpc.getDeleteImagesMethod = getDeleteImagesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.DeleteImagesRequest, com.samegate.v1.DeleteImagesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteImages"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.DeleteImagesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.DeleteImagesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("DeleteImages"))
              .build();
        }
      }
    }
    return getDeleteImagesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.GetLibraryRequest,
      com.samegate.v1.GetLibraryResponse> getGetLibraryMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetLibrary",
      requestType = com.samegate.v1.GetLibraryRequest.class,
      responseType = com.samegate.v1.GetLibraryResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.GetLibraryRequest,
      com.samegate.v1.GetLibraryResponse> getGetLibraryMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.GetLibraryRequest, com.samegate.v1.GetLibraryResponse> getGetLibraryMethod;
    if ((getGetLibraryMethod = SameImageServiceGrpc.getGetLibraryMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getGetLibraryMethod = SameImageServiceGrpc.getGetLibraryMethod) == null) {
          SameImageServiceGrpc.getGetLibraryMethod = getGetLibraryMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.GetLibraryRequest, com.samegate.v1.GetLibraryResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetLibrary"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.GetLibraryRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.GetLibraryResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("GetLibrary"))
              .build();
        }
      }
    }
    return getGetLibraryMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.ListImagesRequest,
      com.samegate.v1.ListImagesResponse> getListImagesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListImages",
      requestType = com.samegate.v1.ListImagesRequest.class,
      responseType = com.samegate.v1.ListImagesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.ListImagesRequest,
      com.samegate.v1.ListImagesResponse> getListImagesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.ListImagesRequest, com.samegate.v1.ListImagesResponse> getListImagesMethod;
    if ((getListImagesMethod = SameImageServiceGrpc.getListImagesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getListImagesMethod = SameImageServiceGrpc.getListImagesMethod) == null) {
          SameImageServiceGrpc.getListImagesMethod = getListImagesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.ListImagesRequest, com.samegate.v1.ListImagesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListImages"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.ListImagesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.ListImagesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("ListImages"))
              .build();
        }
      }
    }
    return getListImagesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.GetImageRequest,
      com.samegate.v1.GetImageResponse> getGetImageMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetImage",
      requestType = com.samegate.v1.GetImageRequest.class,
      responseType = com.samegate.v1.GetImageResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.GetImageRequest,
      com.samegate.v1.GetImageResponse> getGetImageMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.GetImageRequest, com.samegate.v1.GetImageResponse> getGetImageMethod;
    if ((getGetImageMethod = SameImageServiceGrpc.getGetImageMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getGetImageMethod = SameImageServiceGrpc.getGetImageMethod) == null) {
          SameImageServiceGrpc.getGetImageMethod = getGetImageMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.GetImageRequest, com.samegate.v1.GetImageResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetImage"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.GetImageRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.GetImageResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("GetImage"))
              .build();
        }
      }
    }
    return getGetImageMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.ListTagsRequest,
      com.samegate.v1.ListTagsResponse> getListTagsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListTags",
      requestType = com.samegate.v1.ListTagsRequest.class,
      responseType = com.samegate.v1.ListTagsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.ListTagsRequest,
      com.samegate.v1.ListTagsResponse> getListTagsMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.ListTagsRequest, com.samegate.v1.ListTagsResponse> getListTagsMethod;
    if ((getListTagsMethod = SameImageServiceGrpc.getListTagsMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getListTagsMethod = SameImageServiceGrpc.getListTagsMethod) == null) {
          SameImageServiceGrpc.getListTagsMethod = getListTagsMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.ListTagsRequest, com.samegate.v1.ListTagsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListTags"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.ListTagsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.ListTagsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("ListTags"))
              .build();
        }
      }
    }
    return getListTagsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.ListLibrariesRequest,
      com.samegate.v1.ListLibrariesResponse> getListLibrariesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListLibraries",
      requestType = com.samegate.v1.ListLibrariesRequest.class,
      responseType = com.samegate.v1.ListLibrariesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.ListLibrariesRequest,
      com.samegate.v1.ListLibrariesResponse> getListLibrariesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.ListLibrariesRequest, com.samegate.v1.ListLibrariesResponse> getListLibrariesMethod;
    if ((getListLibrariesMethod = SameImageServiceGrpc.getListLibrariesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getListLibrariesMethod = SameImageServiceGrpc.getListLibrariesMethod) == null) {
          SameImageServiceGrpc.getListLibrariesMethod = getListLibrariesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.ListLibrariesRequest, com.samegate.v1.ListLibrariesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListLibraries"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.ListLibrariesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.ListLibrariesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("ListLibraries"))
              .build();
        }
      }
    }
    return getListLibrariesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.CompareImagesRequest,
      com.samegate.v1.CompareImagesResponse> getCompareImagesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CompareImages",
      requestType = com.samegate.v1.CompareImagesRequest.class,
      responseType = com.samegate.v1.CompareImagesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.CompareImagesRequest,
      com.samegate.v1.CompareImagesResponse> getCompareImagesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.CompareImagesRequest, com.samegate.v1.CompareImagesResponse> getCompareImagesMethod;
    if ((getCompareImagesMethod = SameImageServiceGrpc.getCompareImagesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getCompareImagesMethod = SameImageServiceGrpc.getCompareImagesMethod) == null) {
          SameImageServiceGrpc.getCompareImagesMethod = getCompareImagesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.CompareImagesRequest, com.samegate.v1.CompareImagesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CompareImages"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.CompareImagesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.CompareImagesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("CompareImages"))
              .build();
        }
      }
    }
    return getCompareImagesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.BulkSearchImagesRequest,
      com.samegate.v1.BulkSearchImagesResponse> getBulkSearchImagesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BulkSearchImages",
      requestType = com.samegate.v1.BulkSearchImagesRequest.class,
      responseType = com.samegate.v1.BulkSearchImagesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<com.samegate.v1.BulkSearchImagesRequest,
      com.samegate.v1.BulkSearchImagesResponse> getBulkSearchImagesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.BulkSearchImagesRequest, com.samegate.v1.BulkSearchImagesResponse> getBulkSearchImagesMethod;
    if ((getBulkSearchImagesMethod = SameImageServiceGrpc.getBulkSearchImagesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getBulkSearchImagesMethod = SameImageServiceGrpc.getBulkSearchImagesMethod) == null) {
          SameImageServiceGrpc.getBulkSearchImagesMethod = getBulkSearchImagesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.BulkSearchImagesRequest, com.samegate.v1.BulkSearchImagesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BulkSearchImages"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.BulkSearchImagesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.BulkSearchImagesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("BulkSearchImages"))
              .build();
        }
      }
    }
    return getBulkSearchImagesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.FindDuplicatesRequest,
      com.samegate.v1.FindDuplicatesResponse> getFindDuplicatesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "FindDuplicates",
      requestType = com.samegate.v1.FindDuplicatesRequest.class,
      responseType = com.samegate.v1.FindDuplicatesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<com.samegate.v1.FindDuplicatesRequest,
      com.samegate.v1.FindDuplicatesResponse> getFindDuplicatesMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.FindDuplicatesRequest, com.samegate.v1.FindDuplicatesResponse> getFindDuplicatesMethod;
    if ((getFindDuplicatesMethod = SameImageServiceGrpc.getFindDuplicatesMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getFindDuplicatesMethod = SameImageServiceGrpc.getFindDuplicatesMethod) == null) {
          SameImageServiceGrpc.getFindDuplicatesMethod = getFindDuplicatesMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.FindDuplicatesRequest, com.samegate.v1.FindDuplicatesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "FindDuplicates"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.FindDuplicatesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.FindDuplicatesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("FindDuplicates"))
              .build();
        }
      }
    }
    return getFindDuplicatesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.samegate.v1.GetStateRequest,
      com.samegate.v1.GetStateResponse> getGetStateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetState",
      requestType = com.samegate.v1.GetStateRequest.class,
      responseType = com.samegate.v1.GetStateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.samegate.v1.GetStateRequest,
      com.samegate.v1.GetStateResponse> getGetStateMethod() {
    io.grpc.MethodDescriptor<com.samegate.v1.GetStateRequest, com.samegate.v1.GetStateResponse> getGetStateMethod;
    if ((getGetStateMethod = SameImageServiceGrpc.getGetStateMethod) == null) {
      synchronized (SameImageServiceGrpc.class) {
        if ((getGetStateMethod = SameImageServiceGrpc.getGetStateMethod) == null) {
          SameImageServiceGrpc.getGetStateMethod = getGetStateMethod =
              io.grpc.MethodDescriptor.<com.samegate.v1.GetStateRequest, com.samegate.v1.GetStateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetState"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.GetStateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.samegate.v1.GetStateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SameImageServiceMethodDescriptorSupplier("GetState"))
              .build();
        }
      }
    }
    return getGetStateMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SameImageServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SameImageServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SameImageServiceStub>() {
        @java.lang.Override
        public SameImageServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SameImageServiceStub(channel, callOptions);
        }
      };
    return SameImageServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SameImageServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SameImageServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SameImageServiceBlockingV2Stub>() {
        @java.lang.Override
        public SameImageServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SameImageServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return SameImageServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SameImageServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SameImageServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SameImageServiceBlockingStub>() {
        @java.lang.Override
        public SameImageServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SameImageServiceBlockingStub(channel, callOptions);
        }
      };
    return SameImageServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SameImageServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SameImageServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SameImageServiceFutureStub>() {
        @java.lang.Override
        public SameImageServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SameImageServiceFutureStub(channel, callOptions);
        }
      };
    return SameImageServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Adds, finds, updates and deletes the images of a library.
   * Every request names a library. The default is the first library of the
   * caller's tenant. Every method fails with NOT_FOUND (reason
   * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
   * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
   * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Adds one image.
     * The content identifies an image: the same bytes always have the same sign.
     * `on_duplicate` is about the same bytes, `on_match` about other files of the
     * same image. Errors: INVALID_ARGUMENT for an invalid request or image;
     * ALREADY_EXISTS for an image that is in the library already, unless
     * `on_duplicate` accepts it (reason IMAGE_ALREADY_EXISTS), and for one whose
     * matches `on_match` rejects (SAME_IMAGE_EXISTS); RESOURCE_EXHAUSTED when the
     * library is full or a quota is exceeded.
     * </pre>
     */
    default void addImage(com.samegate.v1.AddImageRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.AddImageResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAddImageMethod(), responseObserver);
    }

    /**
     * <pre>
     * Adds any number of images over one stream (a bulk load).
     * The first message carries `options`, every later message an `item`. Every
     * item gets exactly one `result` with its key; results arrive in the order
     * of completion. An invalid item does not end the stream, nor does one that
     * is longer than a message may be. The number of items in flight is limited:
     * HTTP/2 flow control stops a client that is faster than the library
     * (backpressure). Items are idempotent and the delivery is at-least-once:
     * after a broken stream, send every item again that has no result. The
     * server keeps no state between two streams.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<com.samegate.v1.AddImagesRequest> addImages(
        io.grpc.stub.StreamObserver<com.samegate.v1.AddImagesResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getAddImagesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Finds the images that are exactly or partly the same as the query image.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when
     * `cont_sign` names no image of the library; UNIMPLEMENTED for a `cont_sign`
     * at a `rest` backend; RESOURCE_EXHAUSTED when a quota is exceeded.
     * </pre>
     */
    default void searchImages(com.samegate.v1.SearchImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.SearchImagesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSearchImagesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes the brief or the tags, or both, of one stored image.
     * Errors: INVALID_ARGUMENT for an invalid request; NOT_FOUND when the image
     * is not in the library.
     * </pre>
     */
    default void updateImage(com.samegate.v1.UpdateImageRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.UpdateImageResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateImageMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes one image by content or URL, up to 10,000 images by sign, or all
     * images that a filter admits.
     * A deletion by sign succeeds as a whole: read `results` for the outcome of
     * each sign. A deletion by content or URL fails with NOT_FOUND when the image
     * is not in the library.
     * A deletion by filter is for embedded and OpenSearch backends; others fail
     * with UNIMPLEMENTED. It counts the images first, and compares the count with
     * `expected_count`; then it deletes them in steps of 1,000. It deletes none
     * that it has not counted, and none that has changed since so that the filter
     * does not admit it. If it fails in the middle, for example at its deadline,
     * the images of the steps so far are deleted. Cost: 20 s for each 100,000
     * images, and some times that on a busy disk. In OpenSearch a filter that
     * admits more than 1,000,000 images is INVALID_ARGUMENT: narrow it.
     * </pre>
     */
    default void deleteImages(com.samegate.v1.DeleteImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.DeleteImagesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteImagesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns the size, the capacity and the limits of a library.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    default void getLibrary(com.samegate.v1.GetLibraryRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.GetLibraryResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetLibraryMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the images of a library in pages, oldest or newest first.
     * An image that is stored during the whole listing, and that the filter
     * admits all the time, is listed exactly once. One that is added, deleted or
     * changed meanwhile may be listed or not; with the newest first, images that
     * are added after the first page are not. The cost of a page does not depend
     * on its place in the listing: a few milliseconds in a library of a million
     * images, whatever the order and the filter, but for `brief_contains`.
     * Errors: INVALID_ARGUMENT for a page token of another library, filter or
     * order. Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    default void listImages(com.samegate.v1.ListImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.ListImagesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListImagesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns the record of one stored image, with its thumbnail; on request with
     * its preview.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    default void getImage(com.samegate.v1.GetImageRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.GetImageResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetImageMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns the tags of a library, each with the number of its images.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    default void listTags(com.samegate.v1.ListTagsRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.ListTagsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListTagsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the libraries that the caller may use, of every backend, with what
     * each can do. Makes no request to a vendor.
     * </pre>
     */
    default void listLibraries(com.samegate.v1.ListLibrariesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.ListLibrariesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListLibrariesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Compares two images, as a search with the first one does in a library that
     * has only the second one. Nothing is stored.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when a
     * `cont_sign` names no image of the library. Embedded and OpenSearch backends
     * only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    default void compareImages(com.samegate.v1.CompareImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.CompareImagesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCompareImagesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Searches with any number of images over one stream (a bulk search).
     * As AddImages: the first message carries `options`, every later message an
     * `item`. Every item gets exactly one `result` with its key, in the order of
     * completion. An invalid item does not end the stream, nor does one that is
     * longer than a message may be. The number of items in flight is limited, and
     * HTTP/2 flow control stops a client that is faster than the library. Single
     * searches go before bulk searches. After a broken stream or a drain, send
     * every item again that has no result; the server keeps no state between two
     * streams. Every item counts for the quota, and at the vendor for the rate
     * limit, as a SearchImages does.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<com.samegate.v1.BulkSearchImagesRequest> bulkSearchImages(
        io.grpc.stub.StreamObserver<com.samegate.v1.BulkSearchImagesResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getBulkSearchImagesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Finds all groups of images in a library that are exactly or partly the
     * same: one join over the index instead of one search for each image.
     * Groups that share an image are one group: merge their images and pairs. A
     * library of up to 16,384 images sends each group once and whole; of a larger
     * one, a group can come in several parts, and so does a group of more than
     * 2048 images or 8192 pairs. Two images are a pair if one of them is a match
     * in a search with the other by what the library stores of it, also mirrored
     * or with inverted colours. In groups of up to 64 images every two are
     * compared; in larger ones there are enough pairs to connect the images.
     * Cost: 2 to 15 ms of one core for each compared image, and 5 ms for each
     * pair. A stored image has fewer features than its file, so a search with the
     * file finds more pairs of two strongly changed copies. The join runs on cores
     * that no search and no single call needs, one join of the gateway at a time.
     * Images that are added after its begin are not compared, those that are
     * deleted meanwhile are left out from then on. The stream has no deadline but
     * the client's. After an interruption, also by UNAVAILABLE because the server
     * is shutting down, go on with the last `cursor`: what was sent before it is
     * not sent again.
     * In OpenSearch each image is searched for, in rounds of 100, the oldest
     * first: a group comes in a part for each round in which it has pairs, of up
     * to 2048 pairs, and an image has up to 64. Two images of different rounds
     * are a pair if the one added last finds the other. Cost: that of a search
     * for each image; other joins of the library are rejected meanwhile.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED. Errors:
     * INVALID_ARGUMENT for an invalid request and for a cursor of another
     * library; RESOURCE_EXHAUSTED (reason OVERLOADED) while another join of the
     * gateway runs.
     * </pre>
     */
    default void findDuplicates(com.samegate.v1.FindDuplicatesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.FindDuplicatesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getFindDuplicatesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns the state of what the caller's tenant uses: its libraries, their
     * credentials at a vendor, its quota and its last calls. Libraries and calls
     * of other tenants are not in it; the counts of a library that tenants share
     * are of all their calls. Makes no request to a vendor, and is not among the
     * calls.
     * </pre>
     */
    default void getState(com.samegate.v1.GetStateRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.GetStateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetStateMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service SameImageService.
   * <pre>
   * Adds, finds, updates and deletes the images of a library.
   * Every request names a library. The default is the first library of the
   * caller's tenant. Every method fails with NOT_FOUND (reason
   * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
   * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
   * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
   * </pre>
   */
  public static abstract class SameImageServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SameImageServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service SameImageService.
   * <pre>
   * Adds, finds, updates and deletes the images of a library.
   * Every request names a library. The default is the first library of the
   * caller's tenant. Every method fails with NOT_FOUND (reason
   * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
   * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
   * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
   * </pre>
   */
  public static final class SameImageServiceStub
      extends io.grpc.stub.AbstractAsyncStub<SameImageServiceStub> {
    private SameImageServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SameImageServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SameImageServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds one image.
     * The content identifies an image: the same bytes always have the same sign.
     * `on_duplicate` is about the same bytes, `on_match` about other files of the
     * same image. Errors: INVALID_ARGUMENT for an invalid request or image;
     * ALREADY_EXISTS for an image that is in the library already, unless
     * `on_duplicate` accepts it (reason IMAGE_ALREADY_EXISTS), and for one whose
     * matches `on_match` rejects (SAME_IMAGE_EXISTS); RESOURCE_EXHAUSTED when the
     * library is full or a quota is exceeded.
     * </pre>
     */
    public void addImage(com.samegate.v1.AddImageRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.AddImageResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAddImageMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Adds any number of images over one stream (a bulk load).
     * The first message carries `options`, every later message an `item`. Every
     * item gets exactly one `result` with its key; results arrive in the order
     * of completion. An invalid item does not end the stream, nor does one that
     * is longer than a message may be. The number of items in flight is limited:
     * HTTP/2 flow control stops a client that is faster than the library
     * (backpressure). Items are idempotent and the delivery is at-least-once:
     * after a broken stream, send every item again that has no result. The
     * server keeps no state between two streams.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<com.samegate.v1.AddImagesRequest> addImages(
        io.grpc.stub.StreamObserver<com.samegate.v1.AddImagesResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getAddImagesMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Finds the images that are exactly or partly the same as the query image.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when
     * `cont_sign` names no image of the library; UNIMPLEMENTED for a `cont_sign`
     * at a `rest` backend; RESOURCE_EXHAUSTED when a quota is exceeded.
     * </pre>
     */
    public void searchImages(com.samegate.v1.SearchImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.SearchImagesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSearchImagesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes the brief or the tags, or both, of one stored image.
     * Errors: INVALID_ARGUMENT for an invalid request; NOT_FOUND when the image
     * is not in the library.
     * </pre>
     */
    public void updateImage(com.samegate.v1.UpdateImageRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.UpdateImageResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateImageMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes one image by content or URL, up to 10,000 images by sign, or all
     * images that a filter admits.
     * A deletion by sign succeeds as a whole: read `results` for the outcome of
     * each sign. A deletion by content or URL fails with NOT_FOUND when the image
     * is not in the library.
     * A deletion by filter is for embedded and OpenSearch backends; others fail
     * with UNIMPLEMENTED. It counts the images first, and compares the count with
     * `expected_count`; then it deletes them in steps of 1,000. It deletes none
     * that it has not counted, and none that has changed since so that the filter
     * does not admit it. If it fails in the middle, for example at its deadline,
     * the images of the steps so far are deleted. Cost: 20 s for each 100,000
     * images, and some times that on a busy disk. In OpenSearch a filter that
     * admits more than 1,000,000 images is INVALID_ARGUMENT: narrow it.
     * </pre>
     */
    public void deleteImages(com.samegate.v1.DeleteImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.DeleteImagesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteImagesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns the size, the capacity and the limits of a library.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public void getLibrary(com.samegate.v1.GetLibraryRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.GetLibraryResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetLibraryMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the images of a library in pages, oldest or newest first.
     * An image that is stored during the whole listing, and that the filter
     * admits all the time, is listed exactly once. One that is added, deleted or
     * changed meanwhile may be listed or not; with the newest first, images that
     * are added after the first page are not. The cost of a page does not depend
     * on its place in the listing: a few milliseconds in a library of a million
     * images, whatever the order and the filter, but for `brief_contains`.
     * Errors: INVALID_ARGUMENT for a page token of another library, filter or
     * order. Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public void listImages(com.samegate.v1.ListImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.ListImagesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListImagesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns the record of one stored image, with its thumbnail; on request with
     * its preview.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public void getImage(com.samegate.v1.GetImageRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.GetImageResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetImageMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns the tags of a library, each with the number of its images.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public void listTags(com.samegate.v1.ListTagsRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.ListTagsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListTagsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the libraries that the caller may use, of every backend, with what
     * each can do. Makes no request to a vendor.
     * </pre>
     */
    public void listLibraries(com.samegate.v1.ListLibrariesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.ListLibrariesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListLibrariesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Compares two images, as a search with the first one does in a library that
     * has only the second one. Nothing is stored.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when a
     * `cont_sign` names no image of the library. Embedded and OpenSearch backends
     * only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public void compareImages(com.samegate.v1.CompareImagesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.CompareImagesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCompareImagesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Searches with any number of images over one stream (a bulk search).
     * As AddImages: the first message carries `options`, every later message an
     * `item`. Every item gets exactly one `result` with its key, in the order of
     * completion. An invalid item does not end the stream, nor does one that is
     * longer than a message may be. The number of items in flight is limited, and
     * HTTP/2 flow control stops a client that is faster than the library. Single
     * searches go before bulk searches. After a broken stream or a drain, send
     * every item again that has no result; the server keeps no state between two
     * streams. Every item counts for the quota, and at the vendor for the rate
     * limit, as a SearchImages does.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<com.samegate.v1.BulkSearchImagesRequest> bulkSearchImages(
        io.grpc.stub.StreamObserver<com.samegate.v1.BulkSearchImagesResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getBulkSearchImagesMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Finds all groups of images in a library that are exactly or partly the
     * same: one join over the index instead of one search for each image.
     * Groups that share an image are one group: merge their images and pairs. A
     * library of up to 16,384 images sends each group once and whole; of a larger
     * one, a group can come in several parts, and so does a group of more than
     * 2048 images or 8192 pairs. Two images are a pair if one of them is a match
     * in a search with the other by what the library stores of it, also mirrored
     * or with inverted colours. In groups of up to 64 images every two are
     * compared; in larger ones there are enough pairs to connect the images.
     * Cost: 2 to 15 ms of one core for each compared image, and 5 ms for each
     * pair. A stored image has fewer features than its file, so a search with the
     * file finds more pairs of two strongly changed copies. The join runs on cores
     * that no search and no single call needs, one join of the gateway at a time.
     * Images that are added after its begin are not compared, those that are
     * deleted meanwhile are left out from then on. The stream has no deadline but
     * the client's. After an interruption, also by UNAVAILABLE because the server
     * is shutting down, go on with the last `cursor`: what was sent before it is
     * not sent again.
     * In OpenSearch each image is searched for, in rounds of 100, the oldest
     * first: a group comes in a part for each round in which it has pairs, of up
     * to 2048 pairs, and an image has up to 64. Two images of different rounds
     * are a pair if the one added last finds the other. Cost: that of a search
     * for each image; other joins of the library are rejected meanwhile.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED. Errors:
     * INVALID_ARGUMENT for an invalid request and for a cursor of another
     * library; RESOURCE_EXHAUSTED (reason OVERLOADED) while another join of the
     * gateway runs.
     * </pre>
     */
    public void findDuplicates(com.samegate.v1.FindDuplicatesRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.FindDuplicatesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getFindDuplicatesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns the state of what the caller's tenant uses: its libraries, their
     * credentials at a vendor, its quota and its last calls. Libraries and calls
     * of other tenants are not in it; the counts of a library that tenants share
     * are of all their calls. Makes no request to a vendor, and is not among the
     * calls.
     * </pre>
     */
    public void getState(com.samegate.v1.GetStateRequest request,
        io.grpc.stub.StreamObserver<com.samegate.v1.GetStateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetStateMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service SameImageService.
   * <pre>
   * Adds, finds, updates and deletes the images of a library.
   * Every request names a library. The default is the first library of the
   * caller's tenant. Every method fails with NOT_FOUND (reason
   * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
   * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
   * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
   * </pre>
   */
  public static final class SameImageServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SameImageServiceBlockingV2Stub> {
    private SameImageServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SameImageServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SameImageServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds one image.
     * The content identifies an image: the same bytes always have the same sign.
     * `on_duplicate` is about the same bytes, `on_match` about other files of the
     * same image. Errors: INVALID_ARGUMENT for an invalid request or image;
     * ALREADY_EXISTS for an image that is in the library already, unless
     * `on_duplicate` accepts it (reason IMAGE_ALREADY_EXISTS), and for one whose
     * matches `on_match` rejects (SAME_IMAGE_EXISTS); RESOURCE_EXHAUSTED when the
     * library is full or a quota is exceeded.
     * </pre>
     */
    public com.samegate.v1.AddImageResponse addImage(com.samegate.v1.AddImageRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAddImageMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds any number of images over one stream (a bulk load).
     * The first message carries `options`, every later message an `item`. Every
     * item gets exactly one `result` with its key; results arrive in the order
     * of completion. An invalid item does not end the stream, nor does one that
     * is longer than a message may be. The number of items in flight is limited:
     * HTTP/2 flow control stops a client that is faster than the library
     * (backpressure). Items are idempotent and the delivery is at-least-once:
     * after a broken stream, send every item again that has no result. The
     * server keeps no state between two streams.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<com.samegate.v1.AddImagesRequest, com.samegate.v1.AddImagesResponse>
        addImages() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getAddImagesMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Finds the images that are exactly or partly the same as the query image.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when
     * `cont_sign` names no image of the library; UNIMPLEMENTED for a `cont_sign`
     * at a `rest` backend; RESOURCE_EXHAUSTED when a quota is exceeded.
     * </pre>
     */
    public com.samegate.v1.SearchImagesResponse searchImages(com.samegate.v1.SearchImagesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSearchImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the brief or the tags, or both, of one stored image.
     * Errors: INVALID_ARGUMENT for an invalid request; NOT_FOUND when the image
     * is not in the library.
     * </pre>
     */
    public com.samegate.v1.UpdateImageResponse updateImage(com.samegate.v1.UpdateImageRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateImageMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes one image by content or URL, up to 10,000 images by sign, or all
     * images that a filter admits.
     * A deletion by sign succeeds as a whole: read `results` for the outcome of
     * each sign. A deletion by content or URL fails with NOT_FOUND when the image
     * is not in the library.
     * A deletion by filter is for embedded and OpenSearch backends; others fail
     * with UNIMPLEMENTED. It counts the images first, and compares the count with
     * `expected_count`; then it deletes them in steps of 1,000. It deletes none
     * that it has not counted, and none that has changed since so that the filter
     * does not admit it. If it fails in the middle, for example at its deadline,
     * the images of the steps so far are deleted. Cost: 20 s for each 100,000
     * images, and some times that on a busy disk. In OpenSearch a filter that
     * admits more than 1,000,000 images is INVALID_ARGUMENT: narrow it.
     * </pre>
     */
    public com.samegate.v1.DeleteImagesResponse deleteImages(com.samegate.v1.DeleteImagesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the size, the capacity and the limits of a library.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.GetLibraryResponse getLibrary(com.samegate.v1.GetLibraryRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetLibraryMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the images of a library in pages, oldest or newest first.
     * An image that is stored during the whole listing, and that the filter
     * admits all the time, is listed exactly once. One that is added, deleted or
     * changed meanwhile may be listed or not; with the newest first, images that
     * are added after the first page are not. The cost of a page does not depend
     * on its place in the listing: a few milliseconds in a library of a million
     * images, whatever the order and the filter, but for `brief_contains`.
     * Errors: INVALID_ARGUMENT for a page token of another library, filter or
     * order. Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.ListImagesResponse listImages(com.samegate.v1.ListImagesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the record of one stored image, with its thumbnail; on request with
     * its preview.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.GetImageResponse getImage(com.samegate.v1.GetImageRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetImageMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the tags of a library, each with the number of its images.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.ListTagsResponse listTags(com.samegate.v1.ListTagsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListTagsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the libraries that the caller may use, of every backend, with what
     * each can do. Makes no request to a vendor.
     * </pre>
     */
    public com.samegate.v1.ListLibrariesResponse listLibraries(com.samegate.v1.ListLibrariesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListLibrariesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Compares two images, as a search with the first one does in a library that
     * has only the second one. Nothing is stored.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when a
     * `cont_sign` names no image of the library. Embedded and OpenSearch backends
     * only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.CompareImagesResponse compareImages(com.samegate.v1.CompareImagesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCompareImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Searches with any number of images over one stream (a bulk search).
     * As AddImages: the first message carries `options`, every later message an
     * `item`. Every item gets exactly one `result` with its key, in the order of
     * completion. An invalid item does not end the stream, nor does one that is
     * longer than a message may be. The number of items in flight is limited, and
     * HTTP/2 flow control stops a client that is faster than the library. Single
     * searches go before bulk searches. After a broken stream or a drain, send
     * every item again that has no result; the server keeps no state between two
     * streams. Every item counts for the quota, and at the vendor for the rate
     * limit, as a SearchImages does.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<com.samegate.v1.BulkSearchImagesRequest, com.samegate.v1.BulkSearchImagesResponse>
        bulkSearchImages() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getBulkSearchImagesMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Finds all groups of images in a library that are exactly or partly the
     * same: one join over the index instead of one search for each image.
     * Groups that share an image are one group: merge their images and pairs. A
     * library of up to 16,384 images sends each group once and whole; of a larger
     * one, a group can come in several parts, and so does a group of more than
     * 2048 images or 8192 pairs. Two images are a pair if one of them is a match
     * in a search with the other by what the library stores of it, also mirrored
     * or with inverted colours. In groups of up to 64 images every two are
     * compared; in larger ones there are enough pairs to connect the images.
     * Cost: 2 to 15 ms of one core for each compared image, and 5 ms for each
     * pair. A stored image has fewer features than its file, so a search with the
     * file finds more pairs of two strongly changed copies. The join runs on cores
     * that no search and no single call needs, one join of the gateway at a time.
     * Images that are added after its begin are not compared, those that are
     * deleted meanwhile are left out from then on. The stream has no deadline but
     * the client's. After an interruption, also by UNAVAILABLE because the server
     * is shutting down, go on with the last `cursor`: what was sent before it is
     * not sent again.
     * In OpenSearch each image is searched for, in rounds of 100, the oldest
     * first: a group comes in a part for each round in which it has pairs, of up
     * to 2048 pairs, and an image has up to 64. Two images of different rounds
     * are a pair if the one added last finds the other. Cost: that of a search
     * for each image; other joins of the library are rejected meanwhile.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED. Errors:
     * INVALID_ARGUMENT for an invalid request and for a cursor of another
     * library; RESOURCE_EXHAUSTED (reason OVERLOADED) while another join of the
     * gateway runs.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, com.samegate.v1.FindDuplicatesResponse>
        findDuplicates(com.samegate.v1.FindDuplicatesRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getFindDuplicatesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the state of what the caller's tenant uses: its libraries, their
     * credentials at a vendor, its quota and its last calls. Libraries and calls
     * of other tenants are not in it; the counts of a library that tenants share
     * are of all their calls. Makes no request to a vendor, and is not among the
     * calls.
     * </pre>
     */
    public com.samegate.v1.GetStateResponse getState(com.samegate.v1.GetStateRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetStateMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service SameImageService.
   * <pre>
   * Adds, finds, updates and deletes the images of a library.
   * Every request names a library. The default is the first library of the
   * caller's tenant. Every method fails with NOT_FOUND (reason
   * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
   * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
   * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
   * </pre>
   */
  public static final class SameImageServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SameImageServiceBlockingStub> {
    private SameImageServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SameImageServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SameImageServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds one image.
     * The content identifies an image: the same bytes always have the same sign.
     * `on_duplicate` is about the same bytes, `on_match` about other files of the
     * same image. Errors: INVALID_ARGUMENT for an invalid request or image;
     * ALREADY_EXISTS for an image that is in the library already, unless
     * `on_duplicate` accepts it (reason IMAGE_ALREADY_EXISTS), and for one whose
     * matches `on_match` rejects (SAME_IMAGE_EXISTS); RESOURCE_EXHAUSTED when the
     * library is full or a quota is exceeded.
     * </pre>
     */
    public com.samegate.v1.AddImageResponse addImage(com.samegate.v1.AddImageRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAddImageMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Finds the images that are exactly or partly the same as the query image.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when
     * `cont_sign` names no image of the library; UNIMPLEMENTED for a `cont_sign`
     * at a `rest` backend; RESOURCE_EXHAUSTED when a quota is exceeded.
     * </pre>
     */
    public com.samegate.v1.SearchImagesResponse searchImages(com.samegate.v1.SearchImagesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSearchImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the brief or the tags, or both, of one stored image.
     * Errors: INVALID_ARGUMENT for an invalid request; NOT_FOUND when the image
     * is not in the library.
     * </pre>
     */
    public com.samegate.v1.UpdateImageResponse updateImage(com.samegate.v1.UpdateImageRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateImageMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes one image by content or URL, up to 10,000 images by sign, or all
     * images that a filter admits.
     * A deletion by sign succeeds as a whole: read `results` for the outcome of
     * each sign. A deletion by content or URL fails with NOT_FOUND when the image
     * is not in the library.
     * A deletion by filter is for embedded and OpenSearch backends; others fail
     * with UNIMPLEMENTED. It counts the images first, and compares the count with
     * `expected_count`; then it deletes them in steps of 1,000. It deletes none
     * that it has not counted, and none that has changed since so that the filter
     * does not admit it. If it fails in the middle, for example at its deadline,
     * the images of the steps so far are deleted. Cost: 20 s for each 100,000
     * images, and some times that on a busy disk. In OpenSearch a filter that
     * admits more than 1,000,000 images is INVALID_ARGUMENT: narrow it.
     * </pre>
     */
    public com.samegate.v1.DeleteImagesResponse deleteImages(com.samegate.v1.DeleteImagesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the size, the capacity and the limits of a library.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.GetLibraryResponse getLibrary(com.samegate.v1.GetLibraryRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetLibraryMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the images of a library in pages, oldest or newest first.
     * An image that is stored during the whole listing, and that the filter
     * admits all the time, is listed exactly once. One that is added, deleted or
     * changed meanwhile may be listed or not; with the newest first, images that
     * are added after the first page are not. The cost of a page does not depend
     * on its place in the listing: a few milliseconds in a library of a million
     * images, whatever the order and the filter, but for `brief_contains`.
     * Errors: INVALID_ARGUMENT for a page token of another library, filter or
     * order. Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.ListImagesResponse listImages(com.samegate.v1.ListImagesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the record of one stored image, with its thumbnail; on request with
     * its preview.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.GetImageResponse getImage(com.samegate.v1.GetImageRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetImageMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the tags of a library, each with the number of its images.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.ListTagsResponse listTags(com.samegate.v1.ListTagsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListTagsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the libraries that the caller may use, of every backend, with what
     * each can do. Makes no request to a vendor.
     * </pre>
     */
    public com.samegate.v1.ListLibrariesResponse listLibraries(com.samegate.v1.ListLibrariesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListLibrariesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Compares two images, as a search with the first one does in a library that
     * has only the second one. Nothing is stored.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when a
     * `cont_sign` names no image of the library. Embedded and OpenSearch backends
     * only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.samegate.v1.CompareImagesResponse compareImages(com.samegate.v1.CompareImagesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCompareImagesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Finds all groups of images in a library that are exactly or partly the
     * same: one join over the index instead of one search for each image.
     * Groups that share an image are one group: merge their images and pairs. A
     * library of up to 16,384 images sends each group once and whole; of a larger
     * one, a group can come in several parts, and so does a group of more than
     * 2048 images or 8192 pairs. Two images are a pair if one of them is a match
     * in a search with the other by what the library stores of it, also mirrored
     * or with inverted colours. In groups of up to 64 images every two are
     * compared; in larger ones there are enough pairs to connect the images.
     * Cost: 2 to 15 ms of one core for each compared image, and 5 ms for each
     * pair. A stored image has fewer features than its file, so a search with the
     * file finds more pairs of two strongly changed copies. The join runs on cores
     * that no search and no single call needs, one join of the gateway at a time.
     * Images that are added after its begin are not compared, those that are
     * deleted meanwhile are left out from then on. The stream has no deadline but
     * the client's. After an interruption, also by UNAVAILABLE because the server
     * is shutting down, go on with the last `cursor`: what was sent before it is
     * not sent again.
     * In OpenSearch each image is searched for, in rounds of 100, the oldest
     * first: a group comes in a part for each round in which it has pairs, of up
     * to 2048 pairs, and an image has up to 64. Two images of different rounds
     * are a pair if the one added last finds the other. Cost: that of a search
     * for each image; other joins of the library are rejected meanwhile.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED. Errors:
     * INVALID_ARGUMENT for an invalid request and for a cursor of another
     * library; RESOURCE_EXHAUSTED (reason OVERLOADED) while another join of the
     * gateway runs.
     * </pre>
     */
    public java.util.Iterator<com.samegate.v1.FindDuplicatesResponse> findDuplicates(
        com.samegate.v1.FindDuplicatesRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getFindDuplicatesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the state of what the caller's tenant uses: its libraries, their
     * credentials at a vendor, its quota and its last calls. Libraries and calls
     * of other tenants are not in it; the counts of a library that tenants share
     * are of all their calls. Makes no request to a vendor, and is not among the
     * calls.
     * </pre>
     */
    public com.samegate.v1.GetStateResponse getState(com.samegate.v1.GetStateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetStateMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service SameImageService.
   * <pre>
   * Adds, finds, updates and deletes the images of a library.
   * Every request names a library. The default is the first library of the
   * caller's tenant. Every method fails with NOT_FOUND (reason
   * LIBRARY_NOT_FOUND) when the library does not exist, and also when it belongs
   * to another tenant. AddImage, AddImages, UpdateImage and DeleteImages fail with
   * PERMISSION_DENIED (reason READ_ONLY_KEY) for a key that may only read.
   * </pre>
   */
  public static final class SameImageServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<SameImageServiceFutureStub> {
    private SameImageServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SameImageServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SameImageServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds one image.
     * The content identifies an image: the same bytes always have the same sign.
     * `on_duplicate` is about the same bytes, `on_match` about other files of the
     * same image. Errors: INVALID_ARGUMENT for an invalid request or image;
     * ALREADY_EXISTS for an image that is in the library already, unless
     * `on_duplicate` accepts it (reason IMAGE_ALREADY_EXISTS), and for one whose
     * matches `on_match` rejects (SAME_IMAGE_EXISTS); RESOURCE_EXHAUSTED when the
     * library is full or a quota is exceeded.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.AddImageResponse> addImage(
        com.samegate.v1.AddImageRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAddImageMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Finds the images that are exactly or partly the same as the query image.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when
     * `cont_sign` names no image of the library; UNIMPLEMENTED for a `cont_sign`
     * at a `rest` backend; RESOURCE_EXHAUSTED when a quota is exceeded.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.SearchImagesResponse> searchImages(
        com.samegate.v1.SearchImagesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSearchImagesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes the brief or the tags, or both, of one stored image.
     * Errors: INVALID_ARGUMENT for an invalid request; NOT_FOUND when the image
     * is not in the library.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.UpdateImageResponse> updateImage(
        com.samegate.v1.UpdateImageRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateImageMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes one image by content or URL, up to 10,000 images by sign, or all
     * images that a filter admits.
     * A deletion by sign succeeds as a whole: read `results` for the outcome of
     * each sign. A deletion by content or URL fails with NOT_FOUND when the image
     * is not in the library.
     * A deletion by filter is for embedded and OpenSearch backends; others fail
     * with UNIMPLEMENTED. It counts the images first, and compares the count with
     * `expected_count`; then it deletes them in steps of 1,000. It deletes none
     * that it has not counted, and none that has changed since so that the filter
     * does not admit it. If it fails in the middle, for example at its deadline,
     * the images of the steps so far are deleted. Cost: 20 s for each 100,000
     * images, and some times that on a busy disk. In OpenSearch a filter that
     * admits more than 1,000,000 images is INVALID_ARGUMENT: narrow it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.DeleteImagesResponse> deleteImages(
        com.samegate.v1.DeleteImagesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteImagesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns the size, the capacity and the limits of a library.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.GetLibraryResponse> getLibrary(
        com.samegate.v1.GetLibraryRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetLibraryMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the images of a library in pages, oldest or newest first.
     * An image that is stored during the whole listing, and that the filter
     * admits all the time, is listed exactly once. One that is added, deleted or
     * changed meanwhile may be listed or not; with the newest first, images that
     * are added after the first page are not. The cost of a page does not depend
     * on its place in the listing: a few milliseconds in a library of a million
     * images, whatever the order and the filter, but for `brief_contains`.
     * Errors: INVALID_ARGUMENT for a page token of another library, filter or
     * order. Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.ListImagesResponse> listImages(
        com.samegate.v1.ListImagesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListImagesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns the record of one stored image, with its thumbnail; on request with
     * its preview.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.GetImageResponse> getImage(
        com.samegate.v1.GetImageRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetImageMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns the tags of a library, each with the number of its images.
     * Embedded and OpenSearch backends only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.ListTagsResponse> listTags(
        com.samegate.v1.ListTagsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListTagsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the libraries that the caller may use, of every backend, with what
     * each can do. Makes no request to a vendor.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.ListLibrariesResponse> listLibraries(
        com.samegate.v1.ListLibrariesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListLibrariesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Compares two images, as a search with the first one does in a library that
     * has only the second one. Nothing is stored.
     * Errors: INVALID_ARGUMENT for an invalid request or image; NOT_FOUND when a
     * `cont_sign` names no image of the library. Embedded and OpenSearch backends
     * only; others fail with UNIMPLEMENTED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.CompareImagesResponse> compareImages(
        com.samegate.v1.CompareImagesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCompareImagesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns the state of what the caller's tenant uses: its libraries, their
     * credentials at a vendor, its quota and its last calls. Libraries and calls
     * of other tenants are not in it; the counts of a library that tenants share
     * are of all their calls. Makes no request to a vendor, and is not among the
     * calls.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.samegate.v1.GetStateResponse> getState(
        com.samegate.v1.GetStateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetStateMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_ADD_IMAGE = 0;
  private static final int METHODID_SEARCH_IMAGES = 1;
  private static final int METHODID_UPDATE_IMAGE = 2;
  private static final int METHODID_DELETE_IMAGES = 3;
  private static final int METHODID_GET_LIBRARY = 4;
  private static final int METHODID_LIST_IMAGES = 5;
  private static final int METHODID_GET_IMAGE = 6;
  private static final int METHODID_LIST_TAGS = 7;
  private static final int METHODID_LIST_LIBRARIES = 8;
  private static final int METHODID_COMPARE_IMAGES = 9;
  private static final int METHODID_FIND_DUPLICATES = 10;
  private static final int METHODID_GET_STATE = 11;
  private static final int METHODID_ADD_IMAGES = 12;
  private static final int METHODID_BULK_SEARCH_IMAGES = 13;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_ADD_IMAGE:
          serviceImpl.addImage((com.samegate.v1.AddImageRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.AddImageResponse>) responseObserver);
          break;
        case METHODID_SEARCH_IMAGES:
          serviceImpl.searchImages((com.samegate.v1.SearchImagesRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.SearchImagesResponse>) responseObserver);
          break;
        case METHODID_UPDATE_IMAGE:
          serviceImpl.updateImage((com.samegate.v1.UpdateImageRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.UpdateImageResponse>) responseObserver);
          break;
        case METHODID_DELETE_IMAGES:
          serviceImpl.deleteImages((com.samegate.v1.DeleteImagesRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.DeleteImagesResponse>) responseObserver);
          break;
        case METHODID_GET_LIBRARY:
          serviceImpl.getLibrary((com.samegate.v1.GetLibraryRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.GetLibraryResponse>) responseObserver);
          break;
        case METHODID_LIST_IMAGES:
          serviceImpl.listImages((com.samegate.v1.ListImagesRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.ListImagesResponse>) responseObserver);
          break;
        case METHODID_GET_IMAGE:
          serviceImpl.getImage((com.samegate.v1.GetImageRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.GetImageResponse>) responseObserver);
          break;
        case METHODID_LIST_TAGS:
          serviceImpl.listTags((com.samegate.v1.ListTagsRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.ListTagsResponse>) responseObserver);
          break;
        case METHODID_LIST_LIBRARIES:
          serviceImpl.listLibraries((com.samegate.v1.ListLibrariesRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.ListLibrariesResponse>) responseObserver);
          break;
        case METHODID_COMPARE_IMAGES:
          serviceImpl.compareImages((com.samegate.v1.CompareImagesRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.CompareImagesResponse>) responseObserver);
          break;
        case METHODID_FIND_DUPLICATES:
          serviceImpl.findDuplicates((com.samegate.v1.FindDuplicatesRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.FindDuplicatesResponse>) responseObserver);
          break;
        case METHODID_GET_STATE:
          serviceImpl.getState((com.samegate.v1.GetStateRequest) request,
              (io.grpc.stub.StreamObserver<com.samegate.v1.GetStateResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_ADD_IMAGES:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.addImages(
              (io.grpc.stub.StreamObserver<com.samegate.v1.AddImagesResponse>) responseObserver);
        case METHODID_BULK_SEARCH_IMAGES:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.bulkSearchImages(
              (io.grpc.stub.StreamObserver<com.samegate.v1.BulkSearchImagesResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getAddImageMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.AddImageRequest,
              com.samegate.v1.AddImageResponse>(
                service, METHODID_ADD_IMAGE)))
        .addMethod(
          getAddImagesMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              com.samegate.v1.AddImagesRequest,
              com.samegate.v1.AddImagesResponse>(
                service, METHODID_ADD_IMAGES)))
        .addMethod(
          getSearchImagesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.SearchImagesRequest,
              com.samegate.v1.SearchImagesResponse>(
                service, METHODID_SEARCH_IMAGES)))
        .addMethod(
          getUpdateImageMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.UpdateImageRequest,
              com.samegate.v1.UpdateImageResponse>(
                service, METHODID_UPDATE_IMAGE)))
        .addMethod(
          getDeleteImagesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.DeleteImagesRequest,
              com.samegate.v1.DeleteImagesResponse>(
                service, METHODID_DELETE_IMAGES)))
        .addMethod(
          getGetLibraryMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.GetLibraryRequest,
              com.samegate.v1.GetLibraryResponse>(
                service, METHODID_GET_LIBRARY)))
        .addMethod(
          getListImagesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.ListImagesRequest,
              com.samegate.v1.ListImagesResponse>(
                service, METHODID_LIST_IMAGES)))
        .addMethod(
          getGetImageMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.GetImageRequest,
              com.samegate.v1.GetImageResponse>(
                service, METHODID_GET_IMAGE)))
        .addMethod(
          getListTagsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.ListTagsRequest,
              com.samegate.v1.ListTagsResponse>(
                service, METHODID_LIST_TAGS)))
        .addMethod(
          getListLibrariesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.ListLibrariesRequest,
              com.samegate.v1.ListLibrariesResponse>(
                service, METHODID_LIST_LIBRARIES)))
        .addMethod(
          getCompareImagesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.CompareImagesRequest,
              com.samegate.v1.CompareImagesResponse>(
                service, METHODID_COMPARE_IMAGES)))
        .addMethod(
          getBulkSearchImagesMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              com.samegate.v1.BulkSearchImagesRequest,
              com.samegate.v1.BulkSearchImagesResponse>(
                service, METHODID_BULK_SEARCH_IMAGES)))
        .addMethod(
          getFindDuplicatesMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              com.samegate.v1.FindDuplicatesRequest,
              com.samegate.v1.FindDuplicatesResponse>(
                service, METHODID_FIND_DUPLICATES)))
        .addMethod(
          getGetStateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.samegate.v1.GetStateRequest,
              com.samegate.v1.GetStateResponse>(
                service, METHODID_GET_STATE)))
        .build();
  }

  private static abstract class SameImageServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SameImageServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return com.samegate.v1.SameImageProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("SameImageService");
    }
  }

  private static final class SameImageServiceFileDescriptorSupplier
      extends SameImageServiceBaseDescriptorSupplier {
    SameImageServiceFileDescriptorSupplier() {}
  }

  private static final class SameImageServiceMethodDescriptorSupplier
      extends SameImageServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SameImageServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (SameImageServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SameImageServiceFileDescriptorSupplier())
              .addMethod(getAddImageMethod())
              .addMethod(getAddImagesMethod())
              .addMethod(getSearchImagesMethod())
              .addMethod(getUpdateImageMethod())
              .addMethod(getDeleteImagesMethod())
              .addMethod(getGetLibraryMethod())
              .addMethod(getListImagesMethod())
              .addMethod(getGetImageMethod())
              .addMethod(getListTagsMethod())
              .addMethod(getListLibrariesMethod())
              .addMethod(getCompareImagesMethod())
              .addMethod(getBulkSearchImagesMethod())
              .addMethod(getFindDuplicatesMethod())
              .addMethod(getGetStateMethod())
              .build();
        }
      }
    }
    return result;
  }
}
